//! The same job in fio and here: the same keys in the same order, of the same types, at every level.

use serde_json::Value;

use super::{fio, ours, skipped};

/// What only we say.
const OURS: &str = "AuraIO";

/// Job files that make fio show everything it may show, in runs as short as can be.
const JOBS: &str = "
[global]
ioengine=io_uring
size=1m
direct=0
description=some words
[both-directions]
rw=randrw
iodepth=4
fsync=32
lat_percentiles=1
slat_percentiles=1
[group]
stonewall
rw=write
bs=64k
numjobs=2
group_reporting
percentile_list=50:99:99.9
[target]
stonewall
rw=randread
iodepth=16
latency_target=200ms
latency_window=100ms
latency_percentile=99
norandommap
[bare]
stonewall
rw=randread
gtod_reduce=1
[parts]
stonewall
rw=randread
disable_slat=1
disable_lat=1
unified_rw_reporting=both
continue_on_error=all
loops=2
[mixed]
new_group
rw=randread
unified_rw_reporting=1
clat_percentiles=0
[samples]
stonewall
rw=randread
time_based=1
runtime=1100ms
[steady]
stonewall
rw=randread
time_based=1
runtime=10
ss=iops:1000%
ss_dur=2
[level]
stonewall
rw=randread
time_based=1
runtime=1
ss=bw_slope:1k
ss_dur=30
";

/// Where two values differ in keys, order, or types.
fn differences(theirs: &Value, ours: &Value, place: &str, found: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            let keys = |map: &serde_json::Map<String, Value>| {
                map.keys().filter(|key| *key != OURS).cloned().collect::<Vec<_>>()
            };
            // Which latencies occur differs from run to run.
            if place.ends_with("/bins") {
                return;
            }
            if keys(theirs) != keys(ours) {
                found.push(format!("{place}: {:?} there, {:?} here", keys(theirs), keys(ours)));
            }
            for (key, value) in theirs {
                if let Some(other) = ours.get(key) {
                    differences(value, other, &format!("{place}/{key}"), found);
                }
            }
        }
        (Value::Array(theirs), Value::Array(ours)) => {
            if theirs.len() != ours.len() {
                found.push(format!("{place}: {} there, {} here", theirs.len(), ours.len()));
            }
            for (index, (value, other)) in theirs.iter().zip(ours).enumerate() {
                differences(value, other, &format!("{place}/{index}"), found);
            }
        }
        _ if kind(theirs) != kind(ours) => {
            found.push(format!("{place}: {theirs} there, {ours} here"));
        }
        _ => {}
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        _ => "other",
    }
}

#[test]
fn json_has_the_keys_and_types_of_fio() {
    if skipped() {
        return;
    }
    for format in ["json", "json+"] {
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let format = format!("--output-format={format}");
        let arguments = [format.as_str(), "jobs.fio"];
        let [theirs, here] = [fio, ours]
            .into_iter()
            .zip(&folders)
            .map(|(run, folder)| {
                std::fs::write(folder.path().join("jobs.fio"), JOBS).unwrap();
                let text = run(folder.path(), &arguments);
                serde_json::from_str::<Value>(&text)
                    .unwrap_or_else(|error| panic!("{error}: {text}"))
            })
            .collect::<Vec<_>>()
            .try_into()
            .expect("two");
        let mut found = Vec::new();
        differences(&theirs, &here, "", &mut found);
        assert!(found.is_empty(), "{format}: {found:#?}");
        for (theirs, here) in jobs(&theirs).zip(jobs(&here)) {
            for key in ["jobname", "groupid", "error", "job options", "desc"] {
                assert_eq!(theirs.get(key), here.get(key), "{key}");
            }
        }
    }
}

fn jobs(report: &Value) -> impl Iterator<Item = &Value> {
    report["jobs"].as_array().expect("jobs are a list").iter()
}

#[test]
fn a_job_that_is_not_endless_transfers_what_fio_transfers() {
    if skipped() {
        return;
    }
    for job in [
        &["--rw=read", "--size=1m", "--bs=4k"][..],
        &["--rw=write", "--size=1000k", "--bs=64k"],
        &["--rw=randread", "--size=1m", "--bs=8k", "--loops=3"],
        &["--rw=read", "--size=1m", "--io_size=300k"],
        &["--rw=randread", "--size=1m", "--nrfiles=4", "--number_ios=77"],
        &["--rw=write", "--size=512k", "--bs=4k", "--fsync=10"],
        &["--rw=write", "--size=256k", "--verify=crc32c"],
        &["--rw=randwrite", "--size=64k", "--io_size=256k", "--loops=2"],
    ] {
        let totals = [fio, ours].map(|run| {
            let folder = tempfile::tempdir().unwrap();
            let arguments = [&["--name=j", "--output-format=json"], job].concat();
            let report: Value = serde_json::from_str(&run(folder.path(), &arguments)).unwrap();
            let job = &report["jobs"][0];
            ["read", "write", "sync"].map(|direction| {
                let counts = &job[direction];
                (counts["total_ios"].as_u64(), counts["io_bytes"].as_u64())
            })
        });
        assert_eq!(totals[0], totals[1], "{job:?}: read, write, sync of fio and here");
    }
}
