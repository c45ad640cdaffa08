//! Options about which I/O a job does.

use super::super::draft::Workload;
use super::super::expression::Problem;
use super::super::spec::{Form, Spec};
use super::super::value::Value;
use crate::job::{BlockShare, Distribution, PerDirection, Zone, ZoneSize};

const WORKLOADS: &[&str] = &["read", "write", "randread", "randwrite", "rw", "randrw"];

pub(super) const OPTIONS: &[Spec] = &[
    Spec::new(
        "rw",
        Form::Choice(WORKLOADS),
        "Direction and order of the I/O; with :N a modifier",
        |draft, value| {
            draft.workload = workload(value)?;
            Ok(())
        },
    )
    .alias(&["readwrite"]),
    Spec::new("bs", Form::Bytes, "Block size, or READS,WRITES", |draft, value| {
        fill(&mut draft.block_bytes, value.per_direction(Value::bytes_positive)?);
        Ok(())
    })
    .alias(&["blocksize"]),
    Spec::new(
        "bsrange",
        Form::Text,
        "Block sizes at random from a range: 4k-64k",
        |draft, value| {
            let ranges = value.per_direction(|part| part.range(Value::bytes_positive))?;
            fill_some(&mut draft.block_ranges, ranges);
            Ok(())
        },
    )
    .alias(&["blocksize_range"]),
    Spec::new(
        "bssplit",
        Form::Text,
        "Block sizes and their shares: 4k/60:64k/40",
        |draft, value| {
            fill(&mut draft.block_split, value.per_direction(block_split)?);
            Ok(())
        },
    ),
    Spec::new(
        "bs_unaligned",
        Form::Flag,
        "Sizes of bsrange need not be multiples of the smallest",
        |draft, value| {
            draft.job.pattern.unaligned_sizes = value.flag()?;
            Ok(())
        },
    )
    .alias(&["blocksize_unaligned"]),
    Spec::new("ba", Form::Bytes, "Alignment of random offsets", |draft, value| {
        fill_some(&mut draft.align_bytes, value.per_direction(Value::bytes_positive)?);
        Ok(())
    })
    .alias(&["blockalign"]),
    Spec::new(
        "rwmixread",
        Form::Count,
        "Share of reads in a mixed workload, in percent",
        |draft, value| {
            draft.job.pattern.read_percent = value.count(0..=100)?;
            Ok(())
        },
    ),
    Spec::new(
        "rwmixwrite",
        Form::Count,
        "Share of writes in a mixed workload, in percent",
        |draft, value| {
            draft.job.pattern.read_percent = 100 - value.count(0..=100)?;
            Ok(())
        },
    ),
    Spec::new(
        "rw_sequencer",
        Form::Choice(&["sequential", "identical"]),
        "What rw=randread:N repeats",
        |draft, value| {
            draft.repeats_offsets = value.choice(&[("sequential", false), ("identical", true)])?;
            Ok(())
        },
    ),
    Spec::new(
        "percentage_random",
        Form::Count,
        "Share of random offsets in a random workload",
        |draft, value| {
            fill(&mut draft.percentage_random, value.per_direction(|part| part.count(0..=100))?);
            Ok(())
        },
    ),
    Spec::new(
        "random_distribution",
        Form::Text,
        "Where random offsets fall: random, zipf:1.2, pareto:0.2, normal:10, zoned:60/10:40/90",
        |draft, value| {
            draft.job.pattern.distribution = distributions(value)?;
            Ok(())
        },
    ),
    Spec::new(
        "norandommap",
        Form::Flag,
        "Blocks may repeat before all were visited",
        |draft, value| {
            draft.job.pattern.random_map = !value.flag()?;
            Ok(())
        },
    ),
    Spec::new("randrepeat", Form::Bool, "The same offsets in each run", |draft, value| {
        draft.rand_repeat = value.boolean()?;
        Ok(())
    }),
    Spec::new(
        "allrandrepeat",
        Form::Bool,
        "The same random decisions of every kind in each run",
        |draft, value| {
            draft.all_rand_repeat = value.boolean()?;
            Ok(())
        },
    ),
    Spec::new("randseed", Form::Count, "Where the repeatable sequence begins", |draft, value| {
        let number = value.integer()?;
        draft.job.pattern.seed =
            Some(u64::try_from(number).map_err(|_| format!("{number} is not a seed"))?);
        Ok(())
    }),
    Spec::new("number_ios", Form::Count, "End after so many I/Os", |draft, value| {
        draft.job.pattern.io_count_max = Some(value.bytes()?).filter(|count| *count > 0);
        Ok(())
    }),
];

/// Takes over what was given.
fn fill<T>(target: &mut PerDirection<T>, given: PerDirection<Option<T>>) {
    if let Some(read) = given.read {
        target.read = read;
    }
    if let Some(write) = given.write {
        target.write = write;
    }
}

fn fill_some<T>(target: &mut PerDirection<Option<T>>, given: PerDirection<Option<T>>) {
    fill(target, PerDirection { read: given.read.map(Some), write: given.write.map(Some) });
}

fn workload(value: Value<'_>) -> Result<Workload, Problem> {
    let (name, modifier) = match value.text()?.split_once(':') {
        Some((name, modifier)) => (name, Some(modifier.to_owned())),
        None => (value.text, None),
    };
    let (read, write, random) = match name {
        "read" => (true, false, false),
        "write" => (false, true, false),
        "rw" | "readwrite" => (true, true, false),
        "randread" => (true, false, true),
        "randwrite" => (false, true, true),
        "randrw" => (true, true, true),
        "trim" | "randtrim" | "trimwrite" | "randtrimwrite" => {
            return Err(
                "not supported: nothing is discarded; use blkdiscard before the run".to_owned()
            );
        }
        _ => return Err(format!("write one of {}", WORKLOADS.join(", "))),
    };
    Ok(Workload { read, write, random, modifier })
}

/// `4k/60:64k/30:1m/`: an entry without share gets its part of what the others leave.
fn block_split(value: &Value<'_>) -> Result<Vec<BlockShare>, Problem> {
    let mut split = Vec::new();
    for entry in value.split(':') {
        let (size, percent) = entry.text.split_once('/').unwrap_or((entry.text, ""));
        let percent =
            if percent.is_empty() { None } else { Some(entry.part(percent).count(0..=100)?) };
        split.push((entry.part(size).bytes_positive()?, percent));
    }
    let given: u32 = split.iter().filter_map(|(_, percent)| *percent).sum();
    let open = u32::try_from(split.iter().filter(|(_, percent)| percent.is_none()).count())
        .unwrap_or(u32::MAX);
    let rest = 100_u32
        .checked_sub(given)
        .ok_or_else(|| format!("the shares add up to {given} %, more than 100"))?;
    let mut shares: Vec<_> = split
        .into_iter()
        .map(|(size_bytes, percent)| BlockShare {
            size_bytes,
            percent: percent.unwrap_or_else(|| rest.checked_div(open).unwrap_or(0)),
        })
        .collect();
    // As fio does it, the last entry gets what is left by rounding, or by shares that do not add up.
    let missing = 100 - shares.iter().map(|share| share.percent).sum::<u32>();
    if let Some(last) = shares.last_mut() {
        last.percent += missing;
    }
    Ok(shares)
}

fn distributions(value: Value<'_>) -> Result<PerDirection<Distribution>, Problem> {
    let (name, argument) = value.text()?.split_once(':').unwrap_or((value.text, ""));
    let argument = value.part(argument);
    match name {
        "zoned" => zones(argument, |size| size.count(0..=100).map(ZoneSize::Percent)),
        "zoned_abs" => zones(argument, |size| size.bytes().map(ZoneSize::Bytes)),
        _ => Ok(PerDirection::both(distribution(name, argument)?)),
    }
}

fn distribution(name: &str, argument: Value<'_>) -> Result<Distribution, Problem> {
    let (steepness, center) = argument.text.split_once(':').unwrap_or((argument.text, ""));
    let center = match center {
        "" => None,
        center => Some(argument.part(center).fraction(0.0..=1.0)?),
    };
    let steepness = |default| match steepness {
        "" => Ok(default),
        text => argument.part(text).fraction(0.0..=f64::MAX),
    };
    Ok(match name {
        "random" => Distribution::Uniform,
        "zipf" => match steepness(1.1)? {
            1.0 => return Err("zipf's theta must not be 1".to_owned()),
            theta => Distribution::Zipf { theta, center },
        },
        "pareto" => match steepness(0.2)? {
            h if h > 0.0 && h < 1.0 => Distribution::Pareto { h, center },
            h => return Err(format!("pareto's power must be between 0 and 1, not {h}")),
        },
        "normal" | "gauss" => match steepness(0.0)? {
            deviation_percent if deviation_percent < 100.0 => {
                Distribution::Normal { deviation_percent, center }
            }
            deviation => {
                return Err(format!("the deviation must be below 100 percent, not {deviation}"));
            }
        },
        _ => return Err("write random, zipf, pareto, normal, zoned or zoned_abs".to_owned()),
    })
}

/// `access/size:access/size`, for reads and after a comma for writes.
fn zones(
    value: Value<'_>,
    size: impl Fn(&Value<'_>) -> Result<ZoneSize, Problem>,
) -> Result<PerDirection<Distribution>, Problem> {
    let read = |part: &Value<'_>| {
        let mut zones = Vec::new();
        for entry in part.split(':') {
            let (access, extent) =
                entry.text.split_once('/').ok_or("zones are written access/size:access/size")?;
            zones.push(Zone {
                access_percent: entry.part(access).count(0..=100)?,
                size: size(&entry.part(extent))?,
            });
        }
        let sum = |percent: &dyn Fn(&Zone) -> u32| zones.iter().map(percent).sum::<u32>();
        let accesses = sum(&|zone| zone.access_percent);
        let sizes =
            sum(&|zone| if let ZoneSize::Percent(percent) = zone.size { percent } else { 0 });
        if accesses != 100 {
            return Err(format!("the zones' accesses add up to {accesses} %, not 100"));
        }
        if sizes > 100 {
            return Err(format!("the zones' sizes add up to {sizes} %, more than 100"));
        }
        Ok(Distribution::Zoned(zones))
    };
    let given = value.per_direction(read)?;
    Ok(PerDirection {
        read: given.read.unwrap_or_default(),
        write: given.write.unwrap_or_default(),
    })
}
