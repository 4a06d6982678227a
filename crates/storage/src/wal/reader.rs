//! Finds every valid record of the log in order, and tells a torn end from corruption.
//!
//! The first invalid group ends the log. That is an ordinary power cut, unless something later proves
//! that the group had been on disk: a later file that begins after it, or a later group of the same
//! file whose `synced_through` reaches it. Then it is corruption: refused, or left out on request.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pulsora_env::{Env, File, read_exact_at};
use pulsora_model::{Code, Error, Result, Sequence};

use super::format::{
    FILE_HEADER, FileHeader, GROUP_HEADER, GROUP_PAYLOAD_MAX, GroupHeader, NUMBER_MAX, PAGE,
    take_record,
};
use super::record::{Record, Section};
use super::sets::FileSets;
use super::writer::{WalFile, file_path};
use crate::engine::Recover;

/// What replay leaves for the writer.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// Files that still exist, oldest first.
    pub files: Vec<WalFile>,
    pub next_file: u64,
    pub next_group: u64,
    /// Highest sequence seen; 0 = none.
    pub last: Sequence,
    /// Groups left out because they were damaged.
    pub skipped_groups: u64,
    /// Records left out because they name tag sets that damaged groups defined.
    pub lost_records: u64,
    /// Ends of files that held a group which never became whole: ordinary after a crash.
    pub torn_groups: u64,
    /// What the log itself does not prove to be on disk.
    unproven: Option<Unproven>,
}

/// The groups at the end of the last file that no `synced_through` covers.
#[derive(Debug)]
struct Unproven {
    path: PathBuf,
    from: u64,
    to: u64,
}

impl Replay {
    /// Writes the unproven end of the log again and syncs it. Where a sync of the process before has
    /// failed, its pages may be seen and not be on disk, and no later sync would bring them there.
    ///
    /// # Errors
    /// I/O.
    pub fn settle(&self, env: &Env) -> Result<()> {
        let Some(end) = &self.unproven else { return Ok(()) };
        rewrite(env, end).map_err(|e| Error::io("write the end of the log again", e))
    }
}

fn rewrite(env: &Env, end: &Unproven) -> std::io::Result<()> {
    let file = env.files.open(&end.path)?;
    let mut page = [0; PAGE as usize];
    let groups = (end.from..end.to).step_by(PAGE as usize);
    for offset in std::iter::once(0).chain(groups) {
        read_exact_at(&*file, &mut page, offset)?;
        file.write_at(&page, offset)?;
    }
    file.sync_data()
}

struct Opened {
    number: u64,
    file: Arc<dyn File>,
    len: u64,
    header: Option<FileHeader>,
}

/// Reads the log in `dir` and gives every record to `apply` in order, with the tag sets of its file. Everything that was read is
/// synced before this returns, so that it cannot vanish after it has been seen.
///
/// # Errors
/// `corrupt` when groups that had been on disk are damaged and `recover` is strict; I/O; what `apply`
/// fails with.
pub(crate) fn replay(
    env: &Env,
    dir: &Path,
    recover: Recover,
    mut apply: impl FnMut(Record, &mut FileSets) -> Result<()>,
) -> Result<Replay> {
    env.files.create_dir_all(dir).map_err(|e| Error::io("create the log directory", e))?;
    // After a kill a name may be visible and not yet durable.
    env.files.sync_dir(dir).map_err(|e| Error::io("sync the log directory", e))?;
    let files = open_files(env, dir)?;
    let mut out = Replay { next_file: 1, next_group: 1, ..Replay::default() };
    for (position, opened) in files.iter().enumerate() {
        out.next_file = opened.number + 1;
        let later = files[position + 1..].iter().find_map(|next| next.header);
        let Some(header) = opened.header else {
            handle_bad_header(env, dir, opened, later.is_some(), recover, &mut out)?;
            continue;
        };
        let end = later.map(|next| next.first_group);
        let info = replay_file(opened, header, end, recover, &mut out, &mut apply)?;
        if let Some(unproven) = &mut out.unproven {
            unproven.path = file_path(dir, opened.number);
        }
        opened.file.sync_data().map_err(|e| Error::io("sync the log", e))?;
        out.files.push(WalFile { path: file_path(dir, opened.number), ..info });
    }
    Ok(out)
}

fn open_files(env: &Env, dir: &Path) -> Result<Vec<Opened>> {
    let context = |e| Error::io("read the log directory", e);
    let mut files = Vec::new();
    for entry in env.files.list(dir).map_err(context)? {
        let number = entry.name.strip_suffix(".wal").and_then(|n| n.parse().ok());
        let Some(number) = number.filter(|number| *number <= NUMBER_MAX) else { continue };
        let file = env.files.open(&dir.join(&entry.name)).map_err(context)?;
        let len = file.len().map_err(context)?;
        let mut head = [0; FILE_HEADER];
        let header = if len >= PAGE {
            read_exact_at(&*file, &mut head, 0).map_err(context)?;
            FileHeader::decode(&head).filter(|header| header.number == number)
        } else {
            None
        };
        files.push(Opened { number, file, len, header });
    }
    files.sort_by_key(|file| file.number);
    Ok(files)
}

/// A file without a valid header never held a group, if nothing was written after it.
fn handle_bad_header(
    env: &Env,
    dir: &Path,
    opened: &Opened,
    followed: bool,
    recover: Recover,
    out: &mut Replay,
) -> Result<()> {
    let path = file_path(dir, opened.number);
    if followed {
        damaged(recover, format!("log file {} has no valid header", opened.number))?;
        out.skipped_groups += 1;
    }
    if holds_groups(opened)? {
        damaged(
            recover,
            format!("log file {} holds groups under a damaged header", opened.number),
        )?;
        out.skipped_groups += 1;
    }
    let context = |e| Error::io("remove an empty log file", e);
    env.files.unlink(&path).map_err(context)?;
    // Were it to come back behind a newer file, it would look like damage.
    env.files.sync_dir(dir).map_err(context)
}

/// The header is synced before the first group is written, so groups prove that it was there.
fn holds_groups(opened: &Opened) -> Result<bool> {
    let mut head = [0; GROUP_HEADER];
    if opened.len < 2 * PAGE {
        return Ok(false);
    }
    read_exact_at(&*opened.file, &mut head, PAGE).map_err(|e| Error::io("read the log", e))?;
    Ok(GroupHeader::decode(&head).is_some())
}

fn replay_file(
    opened: &Opened,
    header: FileHeader,
    end: Option<u64>,
    recover: Recover,
    out: &mut Replay,
    apply: &mut impl FnMut(Record, &mut FileSets) -> Result<()>,
) -> Result<WalFile> {
    let mut sets = FileSets::new(recover);
    let mut info = WalFile {
        number: opened.number,
        path: Default::default(),
        last: Sequence(0),
        last_change: Sequence(0),
        last_key: Sequence(0),
        bytes: opened.len,
    };
    let mut expected = header.first_group;
    let mut offset = PAGE;
    // Where the groups start that the newest group does not say to be on disk.
    let (mut starts, mut synced_through) = (Vec::new(), 0);
    while end.is_none_or(|end| expected < end) {
        if let Some((group, payload)) =
            read_group(opened, &header, offset)?.filter(|(g, _)| g.group == expected)
        {
            apply_group(&group, &payload, recover, &mut info, out, |record, out| {
                apply_record(record, &mut sets, recover, out, apply)
            })?;
            starts.push((group.group, offset));
            synced_through = group.synced_through;
            offset += group.disk_len();
            expected += 1;
            continue;
        }
        match proof_of(opened, &header, offset, expected, end)? {
            None => {
                out.torn_groups += u64::from(has_bytes(opened, offset)?);
                break;
            }
            Some(next) => {
                damaged(
                    recover,
                    format!(
                        "log file {}: group {expected} at byte {offset} is damaged although it had been synced",
                        opened.number
                    ),
                )?;
                out.skipped_groups += 1;
                match next {
                    Some((at, group)) => (offset, expected) = (at, group),
                    None => break,
                }
            }
        }
    }
    let unproven = starts.iter().find(|(group, _)| *group > synced_through);
    let from = unproven.map_or(offset, |(_, start)| *start);
    out.unproven = end.is_none().then(|| Unproven { path: PathBuf::new(), from, to: offset });
    // A later file continues the count of groups even if some of this one were left out.
    out.next_group = end.unwrap_or(expected).max(expected);
    Ok(info)
}

/// Whether the group `expected`, invalid at `offset`, had been on disk. `Some(Some((offset, group)))`
/// also says where valid groups go on.
#[allow(clippy::type_complexity)]
fn proof_of(
    opened: &Opened,
    header: &FileHeader,
    offset: u64,
    expected: u64,
    end: Option<u64>,
) -> Result<Option<Option<(u64, u64)>>> {
    let mut at = offset + PAGE;
    let mut first_later = None;
    let mut proven = end.is_some();
    while at + PAGE <= opened.len {
        if let Some((group, _)) =
            read_group(opened, header, at)?.filter(|(g, _)| g.group > expected)
        {
            first_later.get_or_insert((at, group.group));
            proven |= group.synced_through >= expected;
            if proven {
                break;
            }
            at += group.disk_len();
        } else {
            at += PAGE;
        }
    }
    Ok(proven.then_some(first_later))
}

/// Whether anything but zeros was written where a group would start.
fn has_bytes(opened: &Opened, offset: u64) -> Result<bool> {
    let mut head = [0; GROUP_HEADER];
    if offset + PAGE > opened.len {
        return Ok(false);
    }
    read_exact_at(&*opened.file, &mut head, offset).map_err(|e| Error::io("read the log", e))?;
    Ok(head.iter().any(|byte| *byte != 0))
}

fn read_group(
    opened: &Opened,
    file: &FileHeader,
    offset: u64,
) -> Result<Option<(GroupHeader, Vec<u8>)>> {
    let context = |e| Error::io(format!("read log file {}", opened.number), e);
    if offset + PAGE > opened.len {
        return Ok(None);
    }
    let mut head = [0; GROUP_HEADER];
    read_exact_at(&*opened.file, &mut head, offset).map_err(context)?;
    let Some(group) = GroupHeader::decode(&head).filter(|group| group.salt == file.salt) else {
        return Ok(None);
    };
    let len = group.payload_len as usize;
    if len > GROUP_PAYLOAD_MAX || offset + GROUP_HEADER as u64 + len as u64 > opened.len {
        return Ok(None);
    }
    let mut payload = vec![0; len];
    read_exact_at(&*opened.file, &mut payload, offset + GROUP_HEADER as u64).map_err(context)?;
    Ok((crc32c::crc32c(&payload) == group.payload_crc).then_some((group, payload)))
}

fn apply_group(
    group: &GroupHeader,
    payload: &[u8],
    recover: Recover,
    info: &mut WalFile,
    out: &mut Replay,
    mut apply: impl FnMut(Record, &mut Replay) -> Result<()>,
) -> Result<()> {
    let mut rest = payload;
    for position in 0..group.records {
        let place = || format!("log group {}, record {position}", group.group);
        let Some(body) = take_record(&mut rest) else {
            damaged(recover, format!("{}: it does not check", place()))?;
            out.lost_records += u64::from(group.records - position);
            break;
        };
        let record = match Record::decode(body) {
            Ok(record) => record,
            Err(error) => {
                damaged(recover, format!("{}: {}", place(), error.message()))?;
                out.lost_records += 1;
                continue;
            }
        };
        info.last = record.sequence;
        if record.sections.iter().any(|section| matches!(section, Section::Change(_))) {
            info.last_change = record.sequence;
        }
        if record.key.is_some() {
            info.last_key = record.sequence;
        }
        out.last = out.last.max(record.sequence);
        apply(record, out).map_err(|error| error.context(place()))?;
    }
    Ok(())
}

/// Applies a record whose tag sets are there. One that names others rests on records that are lost.
fn apply_record(
    mut record: Record,
    sets: &mut FileSets,
    recover: Recover,
    out: &mut Replay,
    apply: &mut impl FnMut(Record, &mut FileSets) -> Result<()>,
) -> Result<()> {
    match sets.take(&mut record) {
        Ok(()) => apply(record, sets),
        Err(error) => {
            damaged(recover, error.message().to_owned())?;
            out.lost_records += 1;
            Ok(())
        }
    }
}

fn damaged(recover: Recover, message: String) -> Result<()> {
    if recover == Recover::SkipCorrupt {
        tracing::error!(message, "damaged log records are left out");
        return Ok(());
    }
    Err(Error::new(Code::Corrupt, message).hint(
        "restore the data directory from a backup, or start with --recover=skip-corrupt to leave the damaged records out",
    ))
}
