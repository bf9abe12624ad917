use std::collections::HashSet;

use serde_json::json;

use super::*;

#[test]
fn every_kind_is_found_by_its_own_names_and_no_name_is_taken_twice() {
    let mut taken = HashSet::new();
    for kind in JobKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        for name in kind.names() {
            assert_eq!(name.parse(), Ok(kind));
            assert_eq!(serde_json::from_value::<JobKind>(json!(name)).unwrap(), kind);
            assert!(taken.insert(name), "{name}");
        }
        for path in kind.definition().triggers {
            assert_eq!(JobKind::triggered_at(path), Some(kind));
            assert!(taken.insert(path), "{path}");
        }
    }
    assert_eq!("recommendations".parse(), Ok(JobKind::Similar));
    assert_eq!(serde_json::from_value::<JobKind>(json!("recommendations")).unwrap(), JobKind::Similar);
    assert_eq!("mine-bitcoin".parse::<JobKind>(), Err(UnknownJob));
}

#[test]
fn only_computations_are_triggered_under_compute() {
    assert_eq!(JobKind::triggered_at("compute/all"), Some(JobKind::ComputeAll));
    assert_eq!(JobKind::triggered_at("compute/recommendations"), Some(JobKind::Similar));
    for other in ["ingest", "search-index", "compute-all", "probe", "collect-runs", "", "Trending"] {
        assert_eq!(JobKind::triggered_at(&format!("compute/{other}")), None, "{other}");
    }
}

#[test]
fn a_payload_names_its_kind_and_nothing_at_all_is_a_payload() {
    fn check<J: JobType>() {
        assert_eq!(J::KIND.definition().name, J::DEFINITION.name);
        assert_eq!(serde_json::to_value(J::default()).unwrap(), json!({}), "{}", J::KIND);
    }
    check::<Ingest>();
    check::<Trending>();
    check::<ComputeAll>();
    check::<Probe>();
    for kind in JobKind::ALL {
        assert_eq!(kind.payload(&json!({})), Ok(json!({})), "{kind}");
        assert!(kind.payload(&json!({ "colour": 1 })).is_err(), "{kind}");
    }
}

#[test]
fn every_artifact_has_one_job_which_is_a_step_of_compute_all_and_can_be_forced_and_triggered() {
    let mut tables = HashSet::new();
    for artifact in Artifact::ALL {
        let kind = artifact.job();
        assert_eq!(kind.artifact(), Some(artifact));
        assert_eq!(artifact.spec().tables[0].name(), artifact.as_str());
        assert!(artifact.spec().tables.iter().all(|table| tables.insert(table.name())), "{artifact:?}");
        assert!(JobKind::compute_steps().contains(&kind), "{artifact:?}");
        assert_eq!(kind.payload(&json!({ "force": true })), Ok(json!({ "force": true })), "{kind}");
        assert!(kind.definition().triggers[0].starts_with("compute/"), "{kind}");
    }
    let publishing = JobKind::ALL.into_iter().filter(|kind| kind.definition().artifact.is_some());
    assert_eq!(publishing.filter_map(JobKind::artifact).count(), Artifact::ALL.len());
}

#[test]
fn compute_all_goes_through_its_steps_in_order_and_hands_force_on() {
    let orders: Vec<_> = JobKind::compute_steps().iter().map(|kind| kind.definition().compute_step).collect();
    assert!(orders.is_sorted() && HashSet::<_>::from_iter(&orders).len() == orders.len(), "{orders:?}");
    let steps = ComputeAll { force: true }.steps();
    assert_eq!(steps.first(), Some(&Step { kind: JobKind::Trending, payload: json!({ "force": true }) }));
    assert_eq!(steps.last(), Some(&Step { kind: JobKind::SearchIndex, payload: json!({}) }));
    for Step { kind, payload } in steps {
        assert_eq!(kind.payload(&payload), Ok(payload), "{kind}");
    }
}
