use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;

/// What a real Java program wrote: every serialised object of the recorded tables.
fn recorded() -> &'static [Vec<u8>] {
    static RECORDED: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    RECORDED.get_or_init(find_recorded)
}

fn find_recorded() -> Vec<Vec<u8>> {
    let text = include_str!("../../tests/quartz/tables.sql");
    let found: Vec<Vec<u8>> = text
        .split("\\x")
        .filter(|part| part.starts_with("aced0005"))
        .map(|part| {
            let end = part.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(part.len());
            let digits = |at: usize| u8::from_str_radix(&part[at..at + 2], 16).unwrap();
            (0..end).step_by(2).map(digits).collect()
        })
        .collect();
    assert!(found.len() > 15, "{} objects", found.len());
    found
}

#[test]
fn every_recorded_object_is_read() {
    for bytes in recorded() {
        let value = read(bytes).unwrap();
        assert!(matches!(value, Value::Object(_) | Value::Null), "{value:?}");
    }
}

#[test]
fn a_cut_stream_is_an_error() {
    for bytes in recorded() {
        for end in (0..bytes.len()).step_by(7) {
            assert!(read(&bytes[..end]).is_err());
        }
    }
}

#[test]
fn what_a_stream_builds_is_bounded() {
    const OBJECT_ARRAY: &[u8] = b"\x72\x00\x01[\0\0\0\0\0\0\0\0\x02\0\0\x78\x70";
    let header = [0xac, 0xed, 0, 5];
    // Arrays within arrays.
    let mut deep = header.to_vec();
    deep.extend([0x75]);
    deep.extend(OBJECT_ARRAY);
    deep.extend([0, 0, 0, 1]);
    for _ in 0..10_000 {
        deep.extend([0x75, 0x71, 0, 0x7e, 0, 0, 0, 0, 0, 1]);
    }
    assert!(read(&deep).unwrap_err().to_string().contains("deep"));
    // Arrays that hold the array before them: each is read at the same depth, and higher than the last.
    let mut high = header.to_vec();
    high.extend([0x75]);
    high.extend(OBJECT_ARRAY);
    high.extend([0, 0, 0x20, 0]);
    high.push(0x70);
    for number in 0..8_000_u32 {
        high.extend([0x75, 0x71, 0, 0x7e, 0, 0, 0, 0, 0, 1, 0x71]);
        high.extend((0x7e_0001 + number).to_be_bytes());
    }
    assert!(read(&high).unwrap_err().to_string().contains("deep"));
    // Arrays that hold the array before them twice: small to store, and endless to write out.
    let mut wide = header.to_vec();
    wide.extend([0x75]);
    wide.extend(OBJECT_ARRAY);
    wide.extend([0, 0, 0, 61, 0x75, 0x71, 0, 0x7e, 0, 0, 0, 0, 0, 0]);
    for number in 0..60_u32 {
        wide.extend([0x75, 0x71, 0, 0x7e, 0, 0, 0, 0, 0, 2]);
        for _ in 0..2 {
            wide.push(0x71);
            wide.extend((0x7e_0002 + number).to_be_bytes());
        }
    }
    let (_, unreadable) = read(&wide).unwrap().plain();
    assert!(unreadable.iter().any(|part| part.what.contains("more values")), "{}", unreadable.len());
    // A length without the bytes.
    let mut long = header.to_vec();
    long.extend([0x75]);
    long.extend(OBJECT_ARRAY);
    long.extend([0x7f, 0xff, 0xff, 0xff]);
    assert!(read(&long).unwrap_err().to_string().contains("more than there are bytes"));
}

fn never_panics(bytes: &[u8]) {
    if let Ok(value) = read(bytes) {
        value.plain();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn junk_is_no_trouble(junk in prop::collection::vec(any::<u8>(), 0..300)) {
        never_panics(&junk);
        never_panics(&[&[0xac, 0xed, 0, 5], junk.as_slice()].concat());
    }

    #[test]
    fn tags_in_any_order_are_no_trouble(
        tags in prop::collection::vec(prop_oneof![0x70..=0x7e_u8, 0..4_u8, Just(b'L'), Just(b'[')], 0..200),
    ) {
        never_panics(&[&[0xac, 0xed, 0, 5], tags.as_slice()].concat());
    }

    #[test]
    fn damaged_objects_are_no_trouble(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let mut bytes = which.get(recorded()).clone();
        for (place, byte, how) in damage {
            let at = place.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        never_panics(&bytes);
        let _ = crate::quartz::read_calendar(&bytes, "UTC");
    }
}
