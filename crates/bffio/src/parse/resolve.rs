//! A draft turned into a job: what options say together, and what they cannot say together.

use super::draft::Draft;
use super::expression::Problem;
use super::value::Value;
use crate::job::{
    Amount, BlockSizes, Direction, Job, PerDirection, Search, Sequence, VerifyMethod,
};

/// fio's engines that have one I/O in flight, whatever the depth.
const SYNCHRONOUS_ENGINES: [&str; 7] =
    ["sync", "psync", "vsync", "pvsync", "pvsync2", "mmap", "splice"];

/// What direct I/O needs at the least: a logical block.
const DIRECT_BYTES: u64 = 512;

/// The job, or what contradicts what. Adds to `notes` what the user should know.
pub(super) fn resolve(mut draft: Draft, notes: &mut Vec<String>) -> Result<Job, Problem> {
    contradictions(&draft)?;
    pattern(&mut draft)?;
    search(&mut draft, notes)?;
    depth(&mut draft, notes);
    recording(&mut draft);
    timing(&mut draft, notes);
    draft.job.steady = (draft.steady.seconds > 0).then(|| draft.steady.clone());
    files(&mut draft.job)?;
    sizes(&draft.job)?;
    rates(&draft.job)?;
    Ok(draft.job)
}

/// Options of one section that exclude each other. (What a job says differently than `[global]` wins.)
fn contradictions(draft: &Draft) -> Result<(), Problem> {
    let given = |name: &str| {
        let option = draft.job.given.iter().find(|given| given.name == name)?;
        Some(Value { text: &option.value, kb_base: draft.job.kb_base })
    };
    if let (Some(direct), Some(buffered)) = (given("direct"), given("buffered"))
        && direct.boolean()? == buffered.boolean()?
    {
        return Err("direct and buffered are opposites; leave one of them out".to_owned());
    }
    if let (Some(read), Some(write)) = (given("rwmixread"), given("rwmixwrite"))
        && read.count(0..=100)? + write.count(0..=100)? != 100
    {
        return Err(
            "rwmixread and rwmixwrite do not add up to 100; leave one of them out".to_owned()
        );
    }
    if let (Some(zeros), Some(_)) = (given("zero_buffers"), given("buffer_pattern"))
        && zeros.flag()?
    {
        return Err(
            "zero_buffers and buffer_pattern both say what is written; leave one of them out"
                .to_owned(),
        );
    }
    Ok(())
}

fn pattern(draft: &mut Draft) -> Result<(), Problem> {
    let sequence = sequence(draft)?;
    let pattern = &mut draft.job.pattern;
    pattern.does = PerDirection { read: draft.workload.read, write: draft.workload.write };
    pattern.sequence = sequence;
    if draft.workload.random {
        pattern.random_percent = draft.percentage_random;
    }
    pattern.block_sizes = PerDirection::from_fn(|direction| {
        let split = &draft.block_split[direction];
        let sizes = || split.iter().map(|share| share.size_bytes);
        let (min_bytes, max_bytes) =
            match (sizes().min(), sizes().max(), draft.block_ranges[direction]) {
                (Some(min), Some(max), _) => (min, max),
                (.., Some(range)) => range,
                _ => (draft.block_bytes[direction], draft.block_bytes[direction]),
            };
        BlockSizes { min_bytes, max_bytes, split: split.clone() }
    });
    // Blocks that begin anywhere overlap, and a map of what was done would cut them short; fio has none either.
    pattern.random_map &= Direction::ALL.iter().all(|&one| draft.align_bytes[one].is_none());
    pattern.align_bytes = PerDirection::from_fn(|direction| {
        draft.align_bytes[direction].unwrap_or(pattern.block_sizes[direction].min_bytes)
    });
    pattern.repeatable = draft.rand_repeat || draft.all_rand_repeat;
    Ok(())
}

fn sequence(draft: &Draft) -> Result<Option<Sequence>, Problem> {
    let Some(modifier) = &draft.workload.modifier else {
        return Ok(None);
    };
    let value = Value { text: modifier, kb_base: draft.job.kb_base };
    let problem = |problem| format!("rw=…:{modifier}: {problem}");
    if draft.workload.random {
        let ios = value.count(1..=u32::MAX).map_err(problem)?;
        return Ok(Some(if draft.repeats_offsets {
            Sequence::Repeat(ios)
        } else {
            Sequence::Run(ios)
        }));
    }
    let bytes = value.integer().map_err(problem)?;
    let bytes = i64::try_from(bytes).map_err(|_| problem(format!("{bytes} is too large")))?;
    Ok(Some(Sequence::Skip(bytes)))
}

fn search(draft: &mut Draft, notes: &mut Vec<String>) -> Result<(), Problem> {
    let (latency, percentile, depth_max) = match (draft.target_p99, draft.latency_target) {
        (Some(_), Some(_)) => {
            return Err("target-p99 and latency_target both name a target; leave one of them out"
                .to_owned());
        }
        (None, None) => return Ok(()),
        (Some(latency), None) => {
            if draft.latency_percentile.is_some_and(|percentile| percentile != 99.0) {
                return Err(
                    "target-p99 is about 99 percent; use latency_target with latency_percentile"
                        .to_owned(),
                );
            }
            if let Some(depth) = draft.depth {
                notes.push(format!(
                    "{}: iodepth={depth} is no limit for the search of target-p99",
                    draft.job.name
                ));
            }
            (latency, 99.0, None)
        }
        (None, Some(latency)) => (latency, draft.latency_percentile.unwrap_or(100.0), draft.depth),
    };
    if latency.is_zero() {
        return Err("a latency target of 0 cannot be met; write 2ms or 500us".to_owned());
    }
    // A runtime beside --target-p99 is how long the answer is to be tried out.
    let tries_out = draft.target_p99.is_some() && draft.job.timing.runtime.is_some();
    draft.job.search = Some(Search {
        latency,
        percentile,
        window: draft.latency_window,
        keep_running: draft.latency_run || tries_out,
        adjusts: draft.latency_run,
        depth_max,
    });
    Ok(())
}

fn depth(draft: &mut Draft, notes: &mut Vec<String>) {
    let job = &mut draft.job;
    let depth = draft.depth.unwrap_or(1);
    job.depth = depth;
    if depth > 1 && job.search.is_none() && SYNCHRONOUS_ENGINES.contains(&job.engine.as_str()) {
        job.depth = 1;
        notes.push(format!(
            "{}: ioengine={} is synchronous, so iodepth={depth} is 1",
            job.name, job.engine
        ));
    }
}

fn recording(draft: &mut Draft) {
    let (disabled, job) = (draft.disabled, &mut draft.job);
    job.recording.slat = !disabled.slat && !disabled.all;
    job.recording.clat = !disabled.clat && !disabled.all;
    job.recording.lat = !disabled.lat && !disabled.all;
    job.recording.bandwidth = !disabled.bandwidth && !disabled.all;
    let name = job.name.as_str();
    job.logs.bandwidth = draft.logs.bandwidth.as_ref().map(|log| log.prefix(name));
    job.logs.iops = draft.logs.iops.as_ref().map(|log| log.prefix(name));
    job.logs.latency = draft.logs.latency.as_ref().map(|log| log.prefix(name));
    job.logs.histogram = draft.logs.histogram.as_ref().map(|log| log.prefix(name));
}

fn timing(draft: &mut Draft, notes: &mut Vec<String>) {
    let timing = &mut draft.job.timing;
    if timing.time_based && timing.runtime.is_none() {
        timing.time_based = false;
        if draft.job.search.is_some() {
            return; // a search ends by itself
        }
        notes.push(format!("{}: time_based does nothing without a runtime", draft.job.name));
    }
}

fn files(job: &mut Job) -> Result<(), Problem> {
    let files = &mut job.files;
    let asks_for_nothing =
        |amount: &Amount| matches!(amount, Amount::Bytes(0) | Amount::Percent(0));
    files.size = files.size.filter(|amount| !asks_for_nothing(amount));
    files.io_size = files.io_size.filter(|amount| !asks_for_nothing(amount));
    let has_extent = files.size.is_some() || files.file_bytes.is_some() || files.fill_device;
    if files.names.is_empty() && !has_extent {
        return Err(
            "nothing to work on; give size= for files of its own, or filename= of existing ones"
                .to_owned(),
        );
    }
    if files.fill_device && !job.pattern.does.write {
        return Err("fill_device needs a workload that writes".to_owned());
    }
    if job.verify.only && job.verify.method.is_none() {
        return Err(
            "verify_only needs verify=, the method with which the data was written".to_owned()
        );
    }
    if job.verify.method == Some(VerifyMethod::Pattern) && job.verify.pattern.is_empty() {
        return Err("verify=pattern needs verify_pattern=, such as 0xdeadbeef".to_owned());
    }
    Ok(())
}

/// Blocks that cannot be, or do not fit.
fn sizes(job: &Job) -> Result<(), Problem> {
    let files = &job.files;
    for direction in Direction::ALL.into_iter().filter(|direction| job.pattern.does[*direction]) {
        let sizes = &job.pattern.block_sizes[direction];
        let odd = [sizes.min_bytes, sizes.max_bytes]
            .into_iter()
            .chain(sizes.split.iter().map(|share| share.size_bytes));
        if let Some(odd) = odd.into_iter().find(|bytes| files.direct && bytes % DIRECT_BYTES != 0) {
            return Err(format!(
                "direct=1 needs blocks of a multiple of {DIRECT_BYTES} bytes, and bs is {odd}"
            ));
        }
        let count =
            if files.names.is_empty() { u64::from(files.count) } else { files.names.len() as u64 };
        let smallest_file = match (files.file_bytes, files.size) {
            (Some((min, _)), _) => min,
            (None, Some(Amount::Bytes(bytes))) => bytes / count,
            _ => continue,
        };
        if smallest_file < sizes.min_bytes {
            let block = sizes.min_bytes;
            return Err(format!(
                "a file of {smallest_file} bytes is smaller than a block of {block}; raise size"
            ));
        }
    }
    Ok(())
}

fn rates(job: &Job) -> Result<(), Problem> {
    let rates = &job.rates;
    for direction in Direction::ALL {
        let (bytes, ios) = (rates.bytes_per_s[direction], rates.ios_per_s[direction]);
        if bytes.is_some() && ios.is_some() {
            return Err(
                "rate and rate_iops both limit the throughput; leave one of them out".to_owned()
            );
        }
        let exceeds = |min: Option<u64>, max: Option<u64>| matches!((min, max), (Some(min), Some(max)) if min > max);
        if exceeds(rates.bytes_per_s_min[direction], bytes) {
            return Err("rate_min is higher than rate".to_owned());
        }
        if exceeds(rates.ios_per_s_min[direction].map(u64::from), ios.map(u64::from)) {
            return Err("rate_iops_min is higher than rate_iops".to_owned());
        }
    }
    if job.think.spin > job.think.time {
        return Err("thinktime_spin is a part of thinktime and cannot be longer".to_owned());
    }
    Ok(())
}
