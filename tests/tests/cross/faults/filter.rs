//! Filters of system calls (seccomp), for the calling thread and those that it starts. They stay.

use libc::{c_long, sock_filter};

/// Calls that are refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) call: c_long,
    /// Only those with this value (its lower half) at this place.
    pub(crate) argument: Option<(u32, u32)>,
    pub(crate) errno: i32,
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

fn step(code: u32, jt: usize, jf: usize, k: u32) -> sock_filter {
    let distance = |steps: usize| u8::try_from(steps).expect("a short program");
    sock_filter { code: code as u16, jt: distance(jt), jf: distance(jf), k }
}

/// Where `struct seccomp_data` has the lower half of an argument.
fn argument_at(place: u32) -> u32 {
    16 + 8 * place + if cfg!(target_endian = "big") { 4 } else { 0 }
}

/// Makes calls fail as if the kernel refused them.
pub(crate) fn refuse(refused: Refused) {
    let mut program = vec![step(LOAD, 0, 0, 0)];
    let tests = refused.argument.map_or(0, |_| 2);
    program.push(step(IF_EQUAL, 0, tests + 1, refused.call as u32));
    if let Some((place, value)) = refused.argument {
        program.push(step(LOAD, 0, 0, argument_at(place)));
        program.push(step(IF_EQUAL, 0, 1, value));
    }
    program.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | refused.errno as u32));
    program.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    install(&mut program);
}

/// Any call but these ends the process.
pub(crate) fn allow_only(calls: &[c_long]) {
    let mut program = vec![step(LOAD, 0, 0, 0)];
    for (place, call) in calls.iter().enumerate() {
        program.push(step(IF_EQUAL, calls.len() - place, 0, *call as u32));
    }
    program.push(step(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS));
    program.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    install(&mut program);
}

fn install(program: &mut [sock_filter]) {
    let len = program.len() as u16;
    let program = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    let pointer: *const libc::sock_fprog = &program;
    // SAFETY: the program outlives the call, which copies it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, pointer), 0);
    }
}
