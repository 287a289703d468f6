//! The five bytes before every record.

use super::DecodeError;

const MAGIC: [u8; 3] = *b"UMB";
/// The format that is written.
pub const CURRENT_VERSION: u8 = 1;
/// No flag has a meaning yet; a reader refuses what it does not know.
const NO_FLAGS: u8 = 0;

pub(super) fn write(to: &mut Vec<u8>) {
    to.extend_from_slice(&MAGIC);
    to.extend_from_slice(&[CURRENT_VERSION, NO_FLAGS]);
}

/// The version and what follows the envelope.
pub(super) fn read(record: &[u8]) -> Result<(u8, &[u8]), DecodeError> {
    let Some((magic, rest)) = record.split_at_checked(MAGIC.len()).filter(|(m, _)| *m == MAGIC) else {
        return Err(DecodeError::Magic { found: record[..record.len().min(MAGIC.len())].to_vec() });
    };
    match rest {
        [0, ..] => Err(DecodeError::Version(0)),
        [version, ..] if *version > CURRENT_VERSION => Err(DecodeError::Version(*version)),
        [version, NO_FLAGS, body @ ..] => Ok((*version, body)),
        [_, flags, ..] => Err(DecodeError::Flags(*flags)),
        _ => Err(DecodeError::Broken { field: "envelope", at: magic.len() + rest.len(), what: "it ends here".into() }),
    }
}
