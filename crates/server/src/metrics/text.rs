//! The Prometheus text format (version 0.0.4) of samples that are taken when somebody looks.

use std::fmt::Write;

/// Builds the text of metric families, one after the other.
#[derive(Default)]
pub(super) struct Text {
    out: String,
}

impl Text {
    /// A gauge with one value.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.head(name, help, "gauge");
        self.sample(name, &[], value);
    }

    /// A counter with one value.
    pub fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.head(name, help, "counter");
        self.sample(name, &[], value);
    }

    /// A gauge with a value for each set of labels.
    pub fn labelled(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'static str, String)>, f64)>,
    ) {
        self.head(name, help, "gauge");
        for (labels, value) in samples {
            self.sample(name, &labels, value);
        }
    }

    /// A histogram from its cumulative buckets (upper bound, count).
    pub fn histogram(
        &mut self,
        name: &str,
        help: &str,
        buckets: &[(f64, u64)],
        sum: f64,
        count: u64,
    ) {
        self.head(name, help, "histogram");
        self.histogram_of(name, &[], buckets, sum, count);
    }

    /// A histogram for each value of a label: the value, cumulative buckets, sum and count.
    pub fn histograms<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        parts: impl IntoIterator<Item = (&'a str, Vec<(f64, u64)>, f64, u64)>,
    ) {
        self.head(name, help, "histogram");
        for (value, buckets, sum, count) in parts {
            self.histogram_of(name, &[(label, value.to_owned())], &buckets, sum, count);
        }
    }

    fn histogram_of(
        &mut self,
        name: &str,
        labels: &[(&'static str, String)],
        buckets: &[(f64, u64)],
        sum: f64,
        count: u64,
    ) {
        let bucket = format!("{name}_bucket");
        let with = |bound: String| [labels, &[("le", bound)]].concat();
        for (bound, below) in buckets.iter().filter(|(bound, _)| bound.is_finite()) {
            self.sample(&bucket, &with(bound.to_string()), *below as f64);
        }
        self.sample(&bucket, &with("+Inf".to_owned()), count as f64);
        self.sample(&format!("{name}_sum"), labels, sum);
        self.sample(&format!("{name}_count"), labels, count as f64);
    }

    /// The text so far.
    pub fn finish(self) -> String {
        self.out
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&'static str, String)], value: f64) {
        self.write(format_args!("{name}"));
        for (at, (label, text)) in labels.iter().enumerate() {
            let open = if at == 0 { '{' } else { ',' };
            self.write(format_args!("{open}{label}=\"{}\"", escape(text)));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        self.write(format_args!("{close} {value}\n"));
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = self.out.write_fmt(text);
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
