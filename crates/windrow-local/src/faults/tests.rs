use super::*;

fn injections(specification: &str, seed: u64, kind: FaultKind) -> Vec<bool> {
    let faults = Faults::parse(specification, seed).unwrap();
    (0..100).map(|_| faults.inject(kind).is_some()).collect()
}

#[test]
fn the_same_seed_injects_the_same_faults() {
    let once = injections("crash=0.3", 1, FaultKind::Crash);
    assert_eq!(once, injections("crash=0.3", 1, FaultKind::Crash));
    assert_ne!(once, injections("crash=0.3", 2, FaultKind::Crash));
    assert_ne!(
        injections("all=0.3", 1, FaultKind::Crash),
        injections("all=0.3", 1, FaultKind::Split)
    );
}

#[test]
fn rate_0_is_never_and_rate_1_is_always() {
    assert_eq!(injections("crash=0", 1, FaultKind::Crash), [false; 100]);
    assert_eq!(injections("crash=1", 1, FaultKind::Crash), [true; 100]);
    assert_eq!(
        injections("all=1,crash=0", 1, FaultKind::Crash),
        [false; 100]
    );
    let faults = Faults::parse("all=1", 1).unwrap();
    faults.switch_off();
    assert!(faults.inject(FaultKind::Crash).is_none());
}

/// The opportunities, counted from 1, at which the fault is injected.
fn injected(specification: &str, kind: FaultKind) -> Vec<usize> {
    let injected = injections(specification, 1, kind);
    let opportunities = (1..).zip(injected).filter(|(_, injected)| *injected);
    opportunities.map(|(opportunity, _)| opportunity).collect()
}

#[test]
fn a_forced_fault_is_injected_at_its_opportunities_and_at_no_other() {
    assert_eq!(injected("crash@1", FaultKind::Crash), [1]);
    assert_eq!(
        injected("crash@7,crash@2,crash@7", FaultKind::Crash),
        [2, 7]
    );
    assert_eq!(injected("crash@2", FaultKind::Split), [0; 0]);
    assert_eq!(injected("all@3", FaultKind::Split), [3]);
    assert_eq!(injected("all@3,split=0", FaultKind::Split), [0; 0]);
    assert_eq!(injected("all@3,split=0,split@5", FaultKind::Split), [5]);
    assert_eq!(injected("all=1,split@5", FaultKind::Split).len(), 100);
    let rarely = injected("split=0.05", FaultKind::Split);
    let also_forced = injected("split=0.05,split@5,split@6", FaultKind::Split);
    assert!(!rarely.contains(&5) && !rarely.contains(&6));
    assert_eq!(also_forced.len(), rarely.len() + 2);
    assert_eq!(injected("all=1,split@5", FaultKind::Crash).len(), 100);
    assert_eq!(injected("crash@200", FaultKind::Crash), [0; 0]);
    let faults = Faults::parse("crash@2", 1).unwrap();
    assert!(faults.can_inject(FaultKind::Crash) && !faults.can_inject(FaultKind::Split));
    faults.switch_off();
    assert!((0..9).all(|_| faults.inject(FaultKind::Crash).is_none()));
}

#[test]
fn a_forced_fault_that_had_no_effect_is_injected_at_the_next_opportunity() {
    let faults = Faults::parse("state-lost@1,state-lost@3", 1).unwrap();
    let injected = || faults.inject(FaultKind::StateLost).is_some();
    assert!(injected());
    faults.undo(FaultKind::StateLost);
    assert_eq!(faults.injected(FaultKind::StateLost), 0);
    assert!(injected() && injected());
    faults.undo(FaultKind::StateLost);
    faults.undo(FaultKind::StateLost);
    assert!(injected() && injected() && !injected());
    assert_eq!(faults.injected(FaultKind::StateLost), 2);
}

#[test]
fn all_kinds_are_in_the_order_of_their_declaration() {
    for (index, kind) in FaultKind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, index, "{}", kind.name());
    }
}

#[test]
fn an_invalid_part_is_named() {
    for (specification, expected) in [
        ("", "invalid fault ``: write name=rate or name@n"),
        ("crash", "invalid fault `crash`: write name=rate"),
        (
            "crash@0",
            "invalid fault `crash@0`: n must be a whole number, at least 1",
        ),
        (
            "crash@first",
            "invalid fault `crash@first`: n must be a whole number, at least 1",
        ),
        (
            "crush@1",
            "unknown fault `crush`: choose from all, put-failed,",
        ),
        (
            "crash=2",
            "invalid fault `crash=2`: the rate must be a number from 0 to 1",
        ),
        (
            "crash=nan",
            "invalid fault `crash=nan`: the rate must be a number from 0 to 1",
        ),
        (
            "crush=1",
            "unknown fault `crush`: choose from all, put-failed,",
        ),
    ] {
        let error = Faults::parse(specification, 1).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
