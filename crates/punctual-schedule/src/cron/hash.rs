//! `H`: a number chosen by a key, the same for ever.

/// A number that depends on the key and the field only. Stored expressions and every node of a cluster rely on it:
/// it must never change.
pub(super) fn hash(key: &str, field: u8) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in key.bytes().chain([field]) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    // FNV's low bits are weak for short keys that differ in their last letters; mix before the modulo.
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
