//! Variables in values: `${NAME}` of the environment, and fio's three keywords.

use super::expression::Problem;

/// The text with its variables replaced; `environment` looks one up.
pub(super) fn replace(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Problem> {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, tail) = after.split_once('}').ok_or("\"${\" without \"}\"")?;
        let value = environment(name).ok_or_else(|| {
            format!("the environment has no {name}; start with {name}=value before bffio")
        })?;
        replaced.push_str(before);
        replaced.push_str(&value);
        rest = tail;
    }
    replaced.push_str(rest);
    if replaced.contains('$') {
        for (keyword, value) in
            [("$pagesize", page_bytes()), ("$mb_memory", memory_mb()), ("$ncpus", cpu_count())]
        {
            if replaced.contains(keyword) {
                replaced = replaced.replace(keyword, &value.to_string());
            }
        }
    }
    Ok(replaced)
}

fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

fn memory_mb() -> u64 {
    let info = rustix::system::sysinfo();
    let bytes = u128::from(info.totalram) * u128::from(info.mem_unit);
    u64::try_from(bytes >> 20).unwrap_or(u64::MAX)
}

fn cpu_count() -> u64 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u64)
}

#[cfg(test)]
mod tests {
    use super::replace;

    #[test]
    fn the_environment_and_the_machine_fill_in() {
        let environment = |name: &str| (name == "DIR").then(|| "/data".to_owned());
        assert_eq!(replace("${DIR}/x:${DIR}/y", &environment).unwrap(), "/data/x:/data/y");
        assert_eq!(replace("$jobname.$jobnum", &environment).unwrap(), "$jobname.$jobnum");
        assert!(replace("${NONE}", &environment).unwrap_err().contains("NONE"));
        assert!(replace("${DIR", &environment).is_err());
        let pages: u64 = replace("$pagesize", &environment).unwrap().parse().unwrap();
        assert!(pages >= 4096);
        for keyword in ["8*$ncpus", "$mb_memory"] {
            assert!(!replace(keyword, &environment).unwrap().contains('$'));
        }
    }
}
