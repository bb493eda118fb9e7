//! Assignments on their way to runners: what is packed comes out the same, and what is not ours is refused.

use proptest::prelude::*;
use tidegate::engine::github_actions::packed::{ServedFolder, pack, unpack};
use tidegate::engine::{Assignment, CommandWork, Limits, Network, Work};

use super::made::{Record, conda_test, recheck_channel};

fn assignments() -> impl Strategy<Value = Assignment> {
    let variables = prop::collection::btree_map("[A-Z]{1,8}", ".{0,40}", 0..5);
    let words = prop::collection::vec(".{0,40}", 1..4);
    ("[a-z0-9_-]{1,40}", words, variables, any::<[u64; 4]>()).prop_map(
        |(key, command, variables, numbers)| {
            let [time, memory, output, disk] = numbers;
            let limits = Limits { time, memory, output, disk };
            Assignment {
                key,
                work: Work::Command(CommandWork { command, variables }),
                limits,
                network: Network::Denied,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_packed_comes_out_the_same(assignment in assignments()) {
        let packed = pack(&assignment, &[]).unwrap();
        prop_assert_eq!(unpack(&packed).unwrap(), assignment);
    }

    #[test]
    fn bytes_that_nobody_packed_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(unpack(&bytes).is_err());
    }
}

#[test]
fn only_addresses_change_on_the_way() {
    let records = ["q2-good-2023.7.0-0.tar.bz2", "extdep-2.0-0.tar.bz2"].map(Record::of_recheck_channel);
    let assignment = conda_test("moved", &records);
    let address = "https://packages.example/tiny".parse().unwrap();
    let served = ServedFolder { folder: recheck_channel(), address };
    let arrived = serde_json::to_string(&unpack(&pack(&assignment, &[served]).unwrap()).unwrap()).unwrap();
    assert!(arrived.contains("\"https://packages.example/tiny/q2-good-2023.7.0-0.tar.bz2\""), "{arrived}");
    assert!(!arrived.contains("file://"), "a path of this machine is nobody's business: {arrived}");
}

#[test]
fn what_would_unpack_without_end_is_refused() {
    let bomb = zstd::encode_all(vec![b'0'; 65 << 20].as_slice(), 1).unwrap();
    assert!(bomb.len() < 100_000, "{} bytes", bomb.len());
    insta::assert_snapshot!(unpack(&bomb).unwrap_err(), @"the packed assignment is refused: it unpacks to more than 67108864 bytes");
}
