//! The table of draws: what each seed means. The draws of a seed are API.
//!
//! `tools/golden_draws.py` writes the table, from what users write in Python.

use serde::Deserialize;
use serde_json::{Value, json};
use torchfeed_core::{
    image::Size,
    rng::Key,
    transform::{Call, Layout, Lookup, Op, Plan, ResizeOrder},
};

/// A transform, and what is drawn for it.
#[derive(Deserialize)]
struct Row {
    class: String,
    ops: Vec<Op>,
    draws: Vec<Draws>,
}

/// What is drawn for images of one size.
#[derive(Deserialize)]
struct Draws {
    size: (usize, usize),
    drawn: Vec<Group>,
}

/// The samples for which the same calls are drawn.
#[derive(Deserialize)]
struct Group {
    /// (seed, index, occurrence).
    keys: Vec<(u64, u64, u32)>,
    /// (position, function, parameters).
    calls: Option<Vec<(usize, String, Value)>>,
    error: Option<String>,
}

fn rows() -> Vec<Row> {
    let lines = include_str!("golden/draws.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).expect("a row of the table")).collect()
}

fn plan(row: &Row) -> Plan {
    let lookup = Lookup::new((0..=255).collect(), 1, 1, Layout::ChannelsLast).expect("a table of the right size");
    Plan::new(row.ops.clone(), lookup, ResizeOrder::default()).expect("few ops")
}

/// (position, function, parameters) of a drawn call.
fn written((position, call): &(usize, Call)) -> Value {
    let Value::Object(entry) = serde_json::to_value(call).expect("data") else { panic!("{call} is no map") };
    let (function, parameters) = entry.into_iter().next().expect("one entry");
    json!([position, function, parameters])
}

#[test]
fn draws_are_those_of_the_table() {
    let mut calls = Vec::new();
    for row in rows() {
        let plan = plan(&row);
        for draws in &row.draws {
            let size = Size::new(draws.size.0, draws.size.1);
            for group in &draws.drawn {
                for &(seed, index, occurrence) in &group.keys {
                    match (plan.draw(Key { seed, index, occurrence }, size, &mut calls), &group.error) {
                        (Ok(_), None) => {
                            let made: Vec<Value> = calls.iter().map(written).collect();
                            assert_eq!(json!(made), json!(group.calls), "{plan} of {size}, index {index}");
                        }
                        (Err(error), Some(expected)) => assert_eq!(error.to_string(), *expected, "{plan} of {size}"),
                        (drawn, expected) => panic!("{plan} of {size}: {drawn:?}, expected {expected:?}"),
                    }
                }
            }
        }
    }
}

#[test]
fn plans_that_are_not_random_draw_the_same_for_every_key() {
    let is_fixed = |row: &Row| row.draws.iter().all(|draws| draws.drawn.len() == 1);
    let rows = rows();
    assert!(rows.iter().all(|row| plan(row).is_random() || is_fixed(row)));
    // What is known of the classes.
    let is_fixed_class = |row: &&Row| ["CenterCrop", "Grayscale", "Pad", "RGB", "Resize"].contains(&row.class.as_str());
    let (fixed, random): (Vec<_>, Vec<_>) = rows.iter().filter(|row| row.class != "Compose").partition(is_fixed_class);
    assert!(!random.is_empty() && random.iter().all(|row| plan(row).is_random()));
    assert!(!fixed.is_empty() && !fixed.iter().any(|row| plan(row).is_random()));
}

#[test]
fn ops_and_calls_are_the_same_after_a_way_through_text() {
    let mut calls = Vec::new();
    for row in rows() {
        let text = serde_json::to_string(&row.ops).expect("data");
        assert_eq!(serde_json::from_str::<Vec<Op>>(&text).expect("ops"), row.ops);
        let draw = plan(&row).draw(Key { seed: 1, index: 2, occurrence: 3 }, Size::new(40, 40), &mut calls);
        if draw.is_ok() {
            let text = serde_json::to_string(&calls).expect("data");
            assert_eq!(serde_json::from_str::<Vec<(usize, Call)>>(&text).expect("calls"), calls);
        }
    }
}

#[test]
fn a_plan_has_no_more_ops_than_there_are_streams() {
    let plan = |count| {
        let ops: Vec<Op> = serde_json::from_value(json!([{"RandomHorizontalFlip": {"p": 0.5}}])).expect("an op");
        let lookup = Lookup::new((0..=255).collect(), 1, 1, Layout::ChannelsLast).expect("a table of the right size");
        Plan::new(vec![ops[0].clone(); count], lookup, ResizeOrder::default())
    };
    assert!(plan(65_534).is_ok());
    assert!(plan(65_535).unwrap_err().to_string().starts_with("65535 transforms"));
}
