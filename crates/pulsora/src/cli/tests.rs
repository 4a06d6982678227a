//! The command line against the table of keys, and what people see.

use clap::Command;
use pulsora_model::{Code, Detail, Error};
use pulsora_server::config::keys;

use super::command::root;
use super::progress::{grouped, span};
use super::report::error_text;
use super::serve::banner;

fn subcommand(name: &str) -> Command {
    let mut root = root();
    root.build();
    root.find_subcommand(name).expect("the command exists").clone()
}

#[test]
fn the_command_line_is_consistent() {
    root().debug_assert();
}

#[test]
fn every_key_is_a_flag_of_serve_and_config() {
    for command in ["serve", "config"] {
        let command = subcommand(command);
        for key in keys() {
            let arg = command.get_arguments().find(|arg| arg.get_id() == key.name);
            let arg = arg.unwrap_or_else(|| panic!("{} is no flag", key.name));
            let mut names = vec![arg.get_long().unwrap()];
            names.extend(arg.get_all_aliases().unwrap_or_default());
            assert!(names.contains(&key.name), "--{} is missing", key.name);
            if let Some(flag) = key.flag {
                assert_eq!(arg.get_long(), Some(flag));
            }
        }
    }
}

#[test]
fn every_key_is_in_the_long_help_and_those_with_a_name_in_the_short() {
    let mut command = subcommand("serve");
    let (short, long) = (command.render_help().to_string(), command.render_long_help().to_string());
    for key in keys() {
        let flag = format!("--{}", key.flag.unwrap_or(key.name));
        assert!(long.contains(&flag), "{flag} is not in the long help");
        assert!(long.contains(&key.variable()), "{} is not in the long help", key.variable());
        let listed = short.lines().any(|line| line.trim_start().starts_with(&format!("{flag} ")));
        assert_eq!(listed, key.flag.is_some(), "{flag} in the short help");
    }
}

#[test]
fn an_error_tells_what_where_and_what_to_do() {
    let detail = |line, message: &str| Detail {
        line: Some(line),
        column: Some("price".into()),
        text: Some("n/a".into()),
        message: message.into(),
        ..Detail::default()
    };
    let error = Error::new(Code::PartialWrite, "2 of 9 lines are bad")
        .hint("correct them")
        .details([detail(3, "not a number"), detail(7, "not a number")]);
    assert_eq!(
        error_text(&error),
        "error: 2 of 9 lines are bad\n  \
         line 3, column \"price\", \"n/a\": not a number\n  \
         line 7, column \"price\", \"n/a\": not a number\n\
         hint: correct them\n"
    );
}

#[test]
fn numbers_and_times_are_readable() {
    assert_eq!(
        [0, 999, 1_000, 12_154, 1_234_567].map(grouped).join(" "),
        "0 999 1,000 12,154 1,234,567"
    );
    let ms = |ms| span(std::time::Duration::from_millis(ms));
    assert_eq!([ms(12), ms(3_400), ms(125_000)].join(", "), "12 ms, 3.4 s, 2 min 5 s");
}

#[test]
fn the_banner_names_an_address_that_can_be_reached() {
    let text = banner("0.0.0.0:9000".parse().unwrap(), std::path::Path::new("/var/lib/pulsora"));
    assert!(text.contains("listening on http://0.0.0.0:9000\n"), "{text}");
    assert!(text.contains("data in /var/lib/pulsora\n"), "{text}");
    assert!(text.contains("curl 'http://127.0.0.1:9000/write'"), "{text}");
}
