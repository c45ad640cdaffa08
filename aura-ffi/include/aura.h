/*
 * aura.h - self-tuning asynchronous file I/O for Linux.
 *
 * Operations are submitted from any thread; each completes later with one call of its callback, on the
 * thread that processes completions (aura_poll, aura_wait, aura_run, aura_drain). How many operations
 * the kernel is given at a time is found out by the engine.
 *
 *     aura_engine_t *engine = aura_create();
 *     aura_read(engine, fd, aura_buf(memory), 4096, 0, on_read, &state);
 *     aura_wait(engine, -1);                        // on_read runs in here
 *     aura_destroy(engine);
 *
 * Link with `pkg-config --cflags --libs aura`, or simply -laura.
 *
 * Conventions, which hold for every function unless its description says otherwise:
 *
 * - Failure is NULL, -1 or false, with the reason in errno. Success leaves errno unspecified.
 * - Results of operations are no errors of calls: they arrive in the callback, as bytes (or a
 *   descriptor, or 0), or as the negative of an errno.
 * - Engines and requests are names, not addresses. NULL, a name that was never given out, or one whose
 *   engine is destroyed gives EINVAL; a request that is over gives EALREADY, false, -1 or NULL. None of
 *   them is ever followed as a pointer.
 * - The caller owns all memory it passes in. What an operation reads or writes (buffers, the iovec
 *   array, a path, a statx buffer) has to stay valid and in place until its callback begins; everything
 *   else is copied before the call returns.
 * - Structs that begin with struct_size, or whose size is passed beside them, may be shorter than this
 *   header's (an older program: missing fields have their defaults) or longer (a newer program) as long
 *   as the bytes beyond are zero (otherwise E2BIG). Members named _reserved are zero.
 *
 * The manual: docs/c.md, and man 7 aura.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AURA_H
#define AURA_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#if !defined(__linux__) || !defined(__LP64__)
#error "Aura needs 64-bit Linux"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A function of the library. */
#define AURA_API __attribute__((visibility("default")))
/* Dropping the result would leak. */
#define AURA_WARN_UNUSED __attribute__((warn_unused_result))
/* Checked by the compiler like printf: format at position f, its arguments from a. */
#define AURA_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* ---- Version ------------------------------------------------------------------------------------- */

#define AURA_VERSION_MAJOR 0
#define AURA_VERSION_MINOR 5
#define AURA_VERSION_PATCH 0
/** major * 10000 + minor * 100 + patch, of this header. See aura_version_int() for the library's. */
#define AURA_VERSION 500
#define AURA_VERSION_STRING "0.5.0"

/* ---- Names --------------------------------------------------------------------------------------- */

/** An engine: rings, controller, buffer pool. Made by aura_create(), ended by aura_destroy(). */
typedef struct aura_engine aura_engine_t;

/**
 * A submitted operation. A plain value: it may be kept for ever and used from any thread. Once the
 * callback has begun the operation counts as completed; what it was (descriptor, type, user data) can be
 * asked until the callback returns.
 */
typedef struct aura_request aura_request_t;

/** A share of an engine's buffer pool, from aura_pool_share(). An address, and not looked up. */
typedef struct aura_pool aura_pool_t;

/* Needed by aura_statx(); defined by <sys/stat.h> with _GNU_SOURCE, or by <linux/stat.h>. */
struct statx;

/**
 * Called exactly once for each accepted operation, on the thread that processes completions, with no
 * lock held.
 *
 * It may submit, cancel, register, unregister, call aura_stop(), and take locks of its own. It must not
 * process completions: aura_poll(), aura_wait() and aura_drain() fail with EDEADLK there. An exception
 * thrown through it ends the process.
 *
 * @param req        The request, as the submission returned it.
 * @param result     Bytes transferred (read, write), the new descriptor (openat), or 0; on failure the
 *                   negative of an errno, -ECANCELED if it was cancelled.
 * @param user_data  As given at submission.
 */
typedef void (*aura_callback_t)(aura_request_t *req, ssize_t result, void *user_data);

/* ---- Options ------------------------------------------------------------------------------------- */

/** How a ring is chosen for a submission. */
typedef enum {
  /** The ring of the CPU that submits; when it is congested (above 75 % of its limit) and carries more
   *  than twice the average, the lighter of two others picked at random. Best for most programs. */
  AURA_SELECT_ADAPTIVE = 0,
  /** The ring of the CPU that submits, always. */
  AURA_SELECT_CPU_LOCAL,
  /** One ring after the other. For few threads that want all rings. */
  AURA_SELECT_ROUND_ROBIN
} aura_ring_select_t;

/** Settings of an engine. Always start from aura_options_init(). */
typedef struct {
  /** Set by aura_options_init(). */
  size_t struct_size;
  /** Entries of each ring's queue, and the most operations in flight on it: 1 to 32768, rounded up to a
   *  power of two. Default 1024. */
  int queue_depth;
  /** Number of rings, 1 to 1024; 0 (default): one per CPU that the process may run on. */
  int ring_count;
  /** In-flight limit with which the search begins, 1 to queue_depth; the limit for good with
   *  disable_adaptive. 0: a quarter of queue_depth, and no limit with disable_adaptive. Default 256, or
   *  queue_depth if that is less. */
  int initial_in_flight;
  /** The limit never falls below this, 1 to queue_depth. Default 4 (also for 0), or queue_depth if that
   *  is less. */
  int min_in_flight;
  /** Milliseconds that 99 % of reads and writes shall stay under. 0 (default): best throughput, backing
   *  off at ten times the undisturbed latency. */
  double max_p99_latency_ms;
  /** Alignment of aura_buffer_alloc() in bytes, a power of two up to 1 GiB. Default (also for 0): the
   *  page size. */
  size_t buffer_alignment;
  /** Leave the in-flight limit alone. */
  bool disable_adaptive;
  /** Let a kernel thread per ring pick up submissions. If the kernel refuses, the engine works without
   *  and logs it. */
  bool enable_sqpoll;
  /** Milliseconds without work after which those kernel threads sleep. Default (also for 0): 1000. */
  int sqpoll_idle_ms;
  /** How a ring is chosen. Default AURA_SELECT_ADAPTIVE. */
  aura_ring_select_t ring_select;
  /** One thread does everything, so no locks are needed. Enforced: the first thread that submits,
   *  registers or processes completions owns the engine; of others it takes aura_cancel(), aura_post() and
   *  aura_stop() beside questions, and answers everything else with EINVAL. */
  bool single_thread;
  /** Zero. */
  uint32_t _reserved[7];
} aura_options_t;

/* ---- Buffers ------------------------------------------------------------------------------------- */

/** What an aura_buf_t refers to. */
typedef enum {
  /** Memory at an address. */
  AURA_BUF_UNREGISTERED = 0,
  /** A place in a buffer given to aura_register_buffers(). */
  AURA_BUF_REGISTERED = 1
} aura_buf_type_t;

/** Memory of an operation. Made by aura_buf(), aura_buf_fixed() and aura_buf_fixed_idx(). */
typedef struct {
  aura_buf_type_t type;
  union {
    void *ptr;
    struct {
      int index;
      size_t offset;
    } fixed;
  } u;
} aura_buf_t;

/* ---- Constants ----------------------------------------------------------------------------------- */

/** aura_fsync(): data and metadata. */
#define AURA_FSYNC_DEFAULT 0
/** aura_fsync(): data, and of the metadata what is needed to read it again (fdatasync). */
#define AURA_FSYNC_DATASYNC 1

/** aura_fallocate(): allocate, and extend the file if the range ends beyond it. */
#define AURA_FALLOC_DEFAULT 0x00
/** aura_fallocate(): do not change the file's size. */
#define AURA_FALLOC_KEEP_SIZE 0x01
/** aura_fallocate(): free the range, which then reads as zeros. Together with AURA_FALLOC_KEEP_SIZE. */
#define AURA_FALLOC_PUNCH_HOLE 0x02
/** aura_fallocate(): remove the range, moving what follows down. */
#define AURA_FALLOC_COLLAPSE 0x08
/** aura_fallocate(): make the range read as zeros, without freeing it. */
#define AURA_FALLOC_ZERO 0x10
/** aura_fallocate(): insert a range, moving what follows up. */
#define AURA_FALLOC_INSERT 0x20

/** aura_sync_file_range(): wait for write-out of the range that has begun before. */
#define AURA_SYNC_RANGE_WAIT_BEFORE 0x01
/** aura_sync_file_range(): begin write-out of dirty pages. */
#define AURA_SYNC_RANGE_WRITE 0x02
/** aura_sync_file_range(): wait for write-out to end. */
#define AURA_SYNC_RANGE_WAIT_AFTER 0x04

/** aura_statx() flags: look at a symbolic link itself. */
#define AURA_AT_SYMLINK_NOFOLLOW 0x100
/** aura_statx() flags: with pathname "", look at dirfd itself. */
#define AURA_AT_EMPTY_PATH 0x1000
/** Older name of AURA_AT_SYMLINK_NOFOLLOW. */
#define AURA_STATX_SYMLINK_NOFOLLOW 0x100
/** Older name of AURA_AT_EMPTY_PATH. */
#define AURA_STATX_EMPTY_PATH 0x1000

/* aura_statx() mask: the fields that are wanted. */
#define AURA_STATX_MODE 0x02
#define AURA_STATX_NLINK 0x04
#define AURA_STATX_UID 0x08
#define AURA_STATX_GID 0x10
#define AURA_STATX_ATIME 0x20
#define AURA_STATX_MTIME 0x40
#define AURA_STATX_CTIME 0x80
#define AURA_STATX_SIZE 0x200
#define AURA_STATX_BLOCKS 0x400
#define AURA_STATX_ALL 0xFFF

/* aura_openat() flags: the platform's own values, so O_* of <fcntl.h> may be used as well. */
#define AURA_O_RDONLY O_RDONLY
#define AURA_O_WRONLY O_WRONLY
#define AURA_O_RDWR O_RDWR
#define AURA_O_CREAT O_CREAT
#define AURA_O_TRUNC O_TRUNC
#define AURA_O_APPEND O_APPEND
/* <fcntl.h> shows O_DIRECT with _GNU_SOURCE only. */
#if defined(__aarch64__)
#define AURA_O_DIRECT 0x10000
#elif defined(__powerpc64__)
#define AURA_O_DIRECT 0x20000
#elif defined(__mips64)
#define AURA_O_DIRECT 0x8000
#else
#define AURA_O_DIRECT 0x4000
#endif

/* Levels of log messages; syslog's numbers. */
#define AURA_LOG_ERR 3
#define AURA_LOG_WARN 4
#define AURA_LOG_NOTICE 5
#define AURA_LOG_INFO 6
#define AURA_LOG_DEBUG 7

/** What an operation does. More may come: a switch wants a default. */
typedef enum {
  AURA_OP_READ = 0,
  AURA_OP_WRITE = 1,
  AURA_OP_READV = 2,
  AURA_OP_WRITEV = 3,
  AURA_OP_FSYNC = 4,
  AURA_OP_FDATASYNC = 5,
  /** Used by the engine itself. */
  AURA_OP_CANCEL = 6,
  /** A read into a registered buffer. */
  AURA_OP_READ_FIXED = 7,
  /** A write from a registered buffer. */
  AURA_OP_WRITE_FIXED = 8,
  /** The result is the new descriptor. */
  AURA_OP_OPENAT = 9,
  AURA_OP_CLOSE = 10,
  AURA_OP_STATX = 11,
  AURA_OP_FALLOCATE = 12,
  AURA_OP_FTRUNCATE = 13,
  AURA_OP_SYNC_FILE_RANGE = 14
} aura_op_type_t;

/** What can be registered. */
typedef enum {
  AURA_REG_BUFFERS = 0,
  AURA_REG_FILES = 1
} aura_reg_type_t;

/* Phases of the controller, in aura_ring_stats_t.aimd_phase. */
/** Measuring the undisturbed latency. */
#define AURA_PHASE_BASELINE 0
/** Raising the limit in search of more throughput. */
#define AURA_PHASE_PROBING 1
/** Holding the limit. */
#define AURA_PHASE_STEADY 2
/** Latency is too high: lowering the limit. */
#define AURA_PHASE_BACKOFF 3
/** Waiting for the effect of a lower limit. */
#define AURA_PHASE_SETTLING 4
/** The best limit is found. */
#define AURA_PHASE_CONVERGED 5
/** There is less load than the device digests: nothing is limited. Every engine starts here. */
#define AURA_PHASE_PASSTHROUGH 6

/** Buckets of aura_histogram_t. */
#define AURA_HISTOGRAM_BUCKETS 320
/** Tiers of aura_histogram_t: 0-1 ms by 10 us, 1-5 ms by 50 us, 5-20 ms by 250 us, 20-100 ms by 1 ms. */
#define AURA_HISTOGRAM_TIER_COUNT 4
/** Latencies from here on are counted in aura_histogram_t.overflow. */
#define AURA_HISTOGRAM_MAX_US 100000

/* ---- Statistics ---------------------------------------------------------------------------------- */

/** Totals of an engine. */
typedef struct {
  /** Operations completed, failed ones included. */
  int64_t ops_completed;
  /** Bytes read and written. */
  int64_t bytes_transferred;
  /** Bytes per second over the last window of the controller; 0 after two idle seconds. */
  double current_throughput_bps;
  /** Milliseconds that 99 % of recent reads and writes did not exceed; 0 without any. */
  double p99_latency_ms;
  /** Operations in flight. */
  int current_in_flight;
  /** The in-flight limit in force, over all rings. */
  int optimal_in_flight;
  /** The most that was ever in flight, over all rings. */
  int peak_in_flight;
  /** Queued operations that the controller thinks worth a system call. */
  int optimal_batch_size;
  /** Submissions that AURA_SELECT_ADAPTIVE moved to another ring than the CPU's own. */
  uint64_t adaptive_spills;
} aura_stats_t;

/** One ring. */
typedef struct {
  /** Operations completed on this ring, failed ones included. */
  int64_t ops_completed;
  /** Bytes read and written through this ring. */
  int64_t bytes_transferred;
  /** Operations in flight on this ring. */
  int pending_count;
  /** The most that was ever in flight on this ring. */
  int peak_in_flight;
  /** This ring's share of the in-flight limit. */
  int in_flight_limit;
  /** Queued operations that make a batch worth a system call. */
  int batch_threshold;
  /** Milliseconds that 99 % of this ring's recent reads and writes did not exceed. */
  double p99_latency_ms;
  /** Bytes per second over the last window. */
  double throughput_bps;
  /** AURA_PHASE_*. */
  int aimd_phase;
  /** Entries of the ring's queue. */
  int queue_depth;
} aura_ring_stats_t;

/**
 * Recent latencies of a ring's reads and writes: the present and the last window of the controller, or
 * all there ever were with disable_adaptive. A bucket holds its lower bound and not its upper one.
 */
typedef struct {
  uint32_t buckets[AURA_HISTOGRAM_BUCKETS];
  /** Operations that took max_tracked_us or longer. */
  uint32_t overflow;
  /** All operations counted here. */
  uint32_t total_count;
  /** AURA_HISTOGRAM_TIER_COUNT. */
  int tier_count;
  /** Where each tier begins, in microseconds. */
  int tier_start_us[AURA_HISTOGRAM_TIER_COUNT];
  /** How wide its buckets are, in microseconds. */
  int tier_width_us[AURA_HISTOGRAM_TIER_COUNT];
  /** Its first bucket. */
  int tier_base_bucket[AURA_HISTOGRAM_TIER_COUNT];
  /** AURA_HISTOGRAM_MAX_US. */
  int max_tracked_us;
} aura_histogram_t;

/** The buffer pool. */
typedef struct {
  /** Bytes of the buffers that are handed out, as they were rounded up. */
  size_t total_allocated_bytes;
  /** Buffers that are handed out. */
  size_t total_buffers;
  /** Shards that free buffers are spread over. */
  int shard_count;
} aura_buffer_stats_t;

/* ---- Life of an engine --------------------------------------------------------------------------- */

/**
 * Fills in the defaults. Always call it before setting fields. NULL is ignored.
 */
AURA_API void aura_options_init(aura_options_t *options);

/**
 * Creates an engine with default options: one ring per CPU, self-tuning.
 *
 * @return  The engine, or NULL. EPERM: io_uring is forbidden (seccomp, kernel.io_uring_disabled);
 *          ENOSYS: the kernel has none; ENOMEM: RLIMIT_MEMLOCK or memory; EMFILE, ENFILE: descriptors.
 *          The log handler is told the cause in words, and the remedy.
 */
AURA_API aura_engine_t *aura_create(void) AURA_WARN_UNUSED;

/**
 * Creates an engine.
 *
 * @param options  From aura_options_init(). Not needed afterwards.
 * @return  The engine, or NULL. EINVAL: options is NULL, not initialised, or a setting makes no sense
 *          (the log handler is told which); E2BIG: it is longer than this library's, and the bytes
 *          beyond are not zero; otherwise as aura_create().
 */
AURA_API aura_engine_t *aura_create_with_options(const aura_options_t *options) AURA_WARN_UNUSED;

/**
 * Ends an engine: refuses new operations (ESHUTDOWN), delivers what is in flight (callbacks run in
 * here), cancels the rest when nothing has completed for five seconds, and gives everything back,
 * buffers of aura_buffer_alloc() included. Memory of operations that the kernel can neither finish nor
 * cancel within two seconds more is given up for good, and the log says so.
 *
 * No other thread may use the engine meanwhile: join them first. In a callback of the same engine it
 * takes effect when the call that runs the callback returns. NULL is ignored; a name that is no live
 * engine's is reported with EINVAL and to the log.
 */
AURA_API void aura_destroy(aura_engine_t *engine);

/* ---- Reading and writing ------------------------------------------------------------------------- */

/*
 * Submissions do not block. All return the request, or NULL, and then the callback is never called:
 *
 *   EINVAL     engine is no engine; a pointer is NULL, a number negative or too large, a flag unknown
 *   EAGAIN     as much is in flight as the limit allows, and no completion was waiting that would make
 *              room: process completions (aura_poll, aura_wait), then try again
 *   ESHUTDOWN  the engine is being destroyed, or has a fatal error (aura_get_fatal_error)
 *   ENOENT     a registered buffer is named, and none are registered (of a registered file that is not
 *              there the callback hears -EBADF)
 *   EBUSY      the registered buffers are being unregistered
 *   ENOSYS     the kernel does not have the operation
 *   EOVERFLOW, ENOMEM  are kept for future use and treated best like EAGAIN
 *
 * callback may be NULL: the operation is carried out, and nobody is told.
 */

/** Memory at an address, for aura_read() and aura_write(). */
static inline aura_buf_t aura_buf(void *ptr) {
  aura_buf_t buf;
  buf.type = AURA_BUF_UNREGISTERED;
  buf.u.fixed.index = 0;
  buf.u.fixed.offset = 0;
  buf.u.ptr = ptr;
  return buf;
}

/**
 * A place offset bytes into the registered buffer index. For a negative index the descriptor names no
 * memory, and submissions with it fail with EINVAL.
 */
static inline aura_buf_t aura_buf_fixed(int index, size_t offset) {
  aura_buf_t buf = aura_buf(NULL);
  if (index >= 0) {
    buf.type = AURA_BUF_REGISTERED;
    buf.u.fixed.index = index;
    buf.u.fixed.offset = offset;
  }
  return buf;
}

/** The start of the registered buffer index. */
static inline aura_buf_t aura_buf_fixed_idx(int index) { return aura_buf_fixed(index, 0); }

/**
 * Reads len bytes at offset into buf.
 *
 * @param fd      A descriptor open for reading.
 * @param buf     aura_buf(address) or aura_buf_fixed(index, offset).
 * @param len     Bytes, at most 2 GiB - 4 KiB. Fewer may be read; 0 bytes is the end of the file.
 * @param offset  Bytes from the start of the file.
 */
AURA_API aura_request_t *aura_read(aura_engine_t *engine, int fd, aura_buf_t buf, size_t len,
                                   off_t offset, aura_callback_t callback, void *user_data);

/** Writes len bytes from buf at offset. As aura_read(); fewer may be written. */
AURA_API aura_request_t *aura_write(aura_engine_t *engine, int fd, aura_buf_t buf, size_t len,
                                    off_t offset, aura_callback_t callback, void *user_data);

/**
 * Reads at offset into several buffers, one after the other.
 *
 * @param iov     The array and the buffers stay valid until the callback begins.
 * @param iovcnt  1 to 1024.
 */
AURA_API aura_request_t *aura_readv(aura_engine_t *engine, int fd, const struct iovec *iov, int iovcnt,
                                    off_t offset, aura_callback_t callback, void *user_data);

/** Writes at offset from several buffers, one after the other. As aura_readv(). */
AURA_API aura_request_t *aura_writev(aura_engine_t *engine, int fd, const struct iovec *iov, int iovcnt,
                                     off_t offset, aura_callback_t callback, void *user_data);

/**
 * Makes what was written durable. Operations still in flight are not waited for: submit this when their
 * callbacks have run, or see AURA_LINK.
 *
 * @param flags  AURA_FSYNC_DEFAULT or AURA_FSYNC_DATASYNC.
 */
AURA_API aura_request_t *aura_fsync(aura_engine_t *engine, int fd, unsigned int flags,
                                    aura_callback_t callback, void *user_data);

/* ---- Files --------------------------------------------------------------------------------------- */

/**
 * Opens a file. The result is its descriptor.
 *
 * @param dirfd     What a relative path starts from, or AT_FDCWD.
 * @param pathname  Stays valid until the callback begins.
 * @param flags     AURA_O_* or O_*.
 * @param mode      Permissions of a file that is created.
 */
AURA_API aura_request_t *aura_openat(aura_engine_t *engine, int dirfd, const char *pathname, int flags,
                                     mode_t mode, aura_callback_t callback, void *user_data);

/**
 * Closes a descriptor. Operations on it that were submitted before still find it open: the close is
 * carried out after what the kernel looks the file up late for (syncs, allocations, truncations, chains).
 */
AURA_API aura_request_t *aura_close(aura_engine_t *engine, int fd, aura_callback_t callback,
                                    void *user_data);

/**
 * Asks for metadata.
 *
 * @param pathname  Relative to dirfd; "" with AURA_AT_EMPTY_PATH means dirfd itself. Stays valid until
 *                  the callback begins.
 * @param flags     AURA_AT_*.
 * @param mask      AURA_STATX_*: the fields wanted.
 * @param statxbuf  Where the kernel writes them. Stays valid until the callback begins.
 */
AURA_API aura_request_t *aura_statx(aura_engine_t *engine, int dirfd, const char *pathname, int flags,
                                    unsigned int mask, struct statx *statxbuf,
                                    aura_callback_t callback, void *user_data);

/**
 * Allocates, frees or moves space.
 *
 * @param mode    AURA_FALLOC_*.
 * @param offset  Where the region begins, in bytes.
 * @param len     Its length in bytes, above 0.
 */
AURA_API aura_request_t *aura_fallocate(aura_engine_t *engine, int fd, int mode, off_t offset, off_t len,
                                        aura_callback_t callback, void *user_data);

/** Sets the file's length in bytes. Needs Linux 6.9; ENOSYS before. */
AURA_API aura_request_t *aura_ftruncate(aura_engine_t *engine, int fd, off_t length,
                                        aura_callback_t callback, void *user_data);

/**
 * Writes out a range of a file, without its metadata.
 *
 * @param nbytes  Length in bytes, below 4 GiB; 0: to the end of the file.
 * @param flags   AURA_SYNC_RANGE_*.
 */
AURA_API aura_request_t *aura_sync_file_range(aura_engine_t *engine, int fd, off_t offset, off_t nbytes,
                                              unsigned int flags, aura_callback_t callback,
                                              void *user_data);

/* ---- Any operation, and many at once ------------------------------------------------------------- */

/** aura_op_t.fd is an index into the table of aura_register_files(). Not for openat, close and statx. */
#define AURA_FIXED_FILE 0x1u
/**
 * The next operation of the same batch waits for this one, and is cancelled (-ECANCELED) if this one
 * fails or transfers less than asked for. A chain is submitted as a whole or not at all. The kernel also
 * cancels what is left of it when the thread that submitted it ends; of other operations that is mended.
 */
#define AURA_LINK 0x2u

/**
 * An operation as data: what the functions above take as parameters. Always start from aura_op_init().
 * Only the fields that the operation has a use for are looked at.
 */
typedef struct {
  /** Set by aura_op_init(). */
  size_t struct_size;
  /** Which operation; AURA_OP_CANCEL is none of them. */
  aura_op_type_t type;
  /** AURA_FIXED_FILE, AURA_LINK, or 0. */
  uint32_t flags;
  /** Descriptor; index of a registered file with AURA_FIXED_FILE; dirfd of openat and statx. */
  int fd;
  /** openat, statx: flags; fallocate: mode; sync_file_range: AURA_SYNC_RANGE_*. */
  int op_flags;
  /** read, write: the memory. */
  aura_buf_t buf;
  /** readv, writev: the array, of len elements. */
  const struct iovec *iov;
  /** openat, statx. */
  const char *pathname;
  /** statx. */
  struct statx *statxbuf;
  /** read, write, fallocate, sync_file_range: bytes; readv, writev: elements; ftruncate: new length. */
  size_t len;
  /** Bytes from the start of the file. */
  off_t offset;
  /** openat: permissions of a file that is created. */
  mode_t mode;
  /** statx: AURA_STATX_*. */
  unsigned int mask;
  /** For aura_submit_batch(); aura_submit() has a parameter for it. May be NULL. */
  aura_callback_t callback;
  /** Likewise. */
  void *user_data;
  /** Zero. */
  uint32_t _reserved[8];
} aura_op_t;

/** Prepares an operation of this type: zeros, no descriptor (-1). NULL is ignored. */
AURA_API void aura_op_init(aura_op_t *op, aura_op_type_t type);

/**
 * Submits an operation. Errors as for all submissions; E2BIG as for all structs with a size.
 *
 * @param op  Not needed afterwards (unlike the memory that it names). AURA_LINK is EINVAL here: a chain
 *            is a batch.
 */
AURA_API aura_request_t *aura_submit(aura_engine_t *engine, const aura_op_t *op,
                                     aura_callback_t callback, void *user_data);

/**
 * Submits several operations at once, each with the callback and user_data in its aura_op_t. An
 * operation that makes no sense refuses the whole batch.
 *
 * @param ops       Operations, all with the same struct_size.
 * @param count     How many, at most INT_MAX.
 * @param requests  NULL, or room for count requests; NULL is stored for operations not submitted.
 * @return  How many were submitted, from the first. Fewer than count: errno says why the next one was
 *          not (EAGAIN: process completions, then submit the rest). -1: none were. 0 for a count of 0.
 */
AURA_API int aura_submit_batch(aura_engine_t *engine, const aura_op_t *ops, size_t count,
                               aura_request_t **requests);

/** What aura_when_room() calls. */
typedef void (*aura_room_fn)(void *user_data);

/**
 * Has a function called, once, when operations have completed since: for those who got EAGAIN and keep
 * a queue of their own. The call comes on the thread that processes completions; what callbacks may
 * do, it may, and no more. It cannot be taken back, and does not come if the engine ends first.
 *
 * @return  0: it will be called; 1: it will not, as there is room by now, or nothing in flight that
 *          would make any: try again at once; -1: EINVAL, ESHUTDOWN.
 */
AURA_API int aura_when_room(aura_engine_t *engine, aura_room_fn call, void *user_data);

/** What aura_post() calls. */
typedef void (*aura_post_fn)(void *user_data);

/**
 * Has a function called, once and soon, on the thread that processes completions; one that sleeps is
 * woken for it. From any thread and from callbacks, also where single_thread is set. What callbacks
 * may do, the function may, and no more. It cannot be taken back, and does not come if the engine ends
 * first. It counts as an operation in what aura_poll() and aura_wait() return.
 *
 * @return  0: it will be called; -1: EINVAL, ESHUTDOWN.
 */
AURA_API int aura_post(aura_engine_t *engine, aura_post_fn call, void *user_data);

/* ---- Requests ------------------------------------------------------------------------------------ */

/**
 * Asks the kernel to cancel an operation. Its callback runs in any case, with -ECANCELED if the kernel
 * could stop it. From any thread, and from callbacks. Where single_thread is set, other threads leave it
 * to the owner, who asks when it next processes completions; one that sleeps is woken for it.
 *
 * @return  0 if the kernel was or will be asked, or -1. EINVAL: engine or req is NULL or no name of anything, or
 *          req is of another engine; EALREADY: its callback has begun; EBUSY: the queue has no room;
 *          ESHUTDOWN.
 */
AURA_API int aura_cancel(aura_engine_t *engine, aura_request_t *req);

/** Whether the operation is in flight: its callback has not begun. false for NULL. */
AURA_API bool aura_request_pending(const aura_request_t *req);

/**
 * Its descriptor (or index of a registered file, or dirfd); -1 when its callback has returned, and for
 * NULL.
 */
AURA_API int aura_request_fd(const aura_request_t *req);

/** Its user data; NULL when its callback has returned, and for NULL. */
AURA_API void *aura_request_user_data(const aura_request_t *req);

/** AURA_OP_*; -1 when its callback has returned, and for NULL. */
AURA_API int aura_request_op_type(const aura_request_t *req);

/* ---- Processing completions ---------------------------------------------------------------------- */

/*
 * One thread at a time; others wait their turn. Callbacks run in here. In a callback of the same engine
 * these fail with EDEADLK. When the engine has a fatal error, and everything that completed before was
 * delivered, they fail with it.
 */

/**
 * A descriptor that is readable as long as there is something for aura_poll() to do, for epoll, poll or
 * select; level-triggered. It belongs to the engine: do not close it, read it or change it.
 *
 * Once it has been asked for, what is submitted outside callbacks reaches the kernel at once.
 *
 * @return  The descriptor, or -1. EMFILE, ENFILE, ENOMEM.
 */
AURA_API int aura_get_poll_fd(const aura_engine_t *engine);

/**
 * Processes what has completed, without waiting.
 *
 * @return  How many operations, or -1.
 */
AURA_API int aura_poll(aura_engine_t *engine);

/**
 * Waits until at least one operation has completed, and processes what has. Sees what other threads
 * submit meanwhile. Signals do not end it; aura_stop() does (it returns 0).
 *
 * @param timeout_ms  -1: no limit, but with nothing in flight it returns 0 after a moment; 0: as
 *                    aura_poll().
 * @return  How many operations, or -1. ETIMEDOUT: the time is up, and operations are in flight; EINVAL
 *          for a timeout below -1.
 */
AURA_API int aura_wait(aura_engine_t *engine, int timeout_ms);

/**
 * Processes completions on this thread until aura_stop(), then delivers what is in flight, for ten
 * seconds at most. Ends early when the engine has a fatal error. Does nothing in a callback.
 */
AURA_API void aura_run(aura_engine_t *engine);

/**
 * Ends aura_run(), and an aura_wait() that sleeps. From any thread, callback or signal handler. One
 * that comes before aura_run() ends it at once.
 */
AURA_API void aura_stop(aura_engine_t *engine);

/**
 * Processes completions until nothing is in flight. What is submitted meanwhile is waited for too.
 *
 * @param timeout_ms  -1: no limit; 0: once, without waiting.
 * @return  How many operations, or -1. ETIMEDOUT: operations are still in flight; EINVAL for a timeout
 *          below -1.
 */
AURA_API int aura_drain(aura_engine_t *engine, int timeout_ms);

/**
 * Hands over what is queued without waiting for a batch to fill. Seldom needed: processing completions
 * and full batches do it. For a thread that submits and then does something else while nobody waits.
 *
 * @return  0, or -1.
 */
AURA_API int aura_flush(aura_engine_t *engine);

/** Operations in flight: submitted, and their callbacks have not begun. -1 with EINVAL without engine. */
AURA_API int aura_pending_count(const aura_engine_t *engine);

/* ---- Buffers from the pool ----------------------------------------------------------------------- */

/**
 * A buffer from the engine's pool, aligned for O_DIRECT. From any thread. Its content is arbitrary. It
 * goes with the engine at the latest.
 *
 * @param size  Bytes, 1 to 128 MiB.
 * @return  The buffer, or NULL. EINVAL: size is 0 or too large; ENOMEM.
 */
AURA_API void *aura_buffer_alloc(aura_engine_t *engine, size_t size) AURA_WARN_UNUSED;

/**
 * Gives a buffer back, from any thread. NULL is ignored. What is no buffer of this engine, or was given
 * back before, changes nothing: EINVAL, and the log is told.
 */
AURA_API void aura_buffer_free(aura_engine_t *engine, void *buf);

/**
 * Takes a share of the engine's pool: as long as one is held, buffers of aura_buffer_alloc() stay
 * valid, also when the engine is gone. For bindings whose buffers may outlive the engine.
 *
 * @return  The share, or NULL with EINVAL. Give it back with aura_pool_release().
 */
AURA_API aura_pool_t *aura_pool_share(aura_engine_t *engine) AURA_WARN_UNUSED;

/** As aura_buffer_free(), by a share of the pool. For NULL as pool EINVAL. */
AURA_API void aura_pool_free(aura_pool_t *pool, void *buf);

/**
 * Gives a share back, from any thread. When the engine is gone too, buffers go with the last share.
 * NULL is ignored.
 */
AURA_API void aura_pool_release(aura_pool_t *pool);

/* ---- Registered buffers and files ---------------------------------------------------------------- */

/* Not to be called at the same time. Submitting goes on meanwhile. */

/**
 * Registers buffers: the kernel pins them once instead of at every operation. Name them with
 * aura_buf_fixed(). The memory stays valid until aura_unregister() has returned outside a callback, or
 * registering again works.
 *
 * @param count  1 to 12288.
 * @return  0, or -1. EINVAL: none, too many, one is NULL or empty, two overlap; EBUSY: some are
 *          registered, or are still being unregistered; ENOMEM: above RLIMIT_MEMLOCK; EFAULT.
 */
AURA_API int aura_register_buffers(aura_engine_t *engine, const struct iovec *iovs, unsigned int count);

/**
 * Registers files; -1 is an empty place. Operations name them by index with AURA_FIXED_FILE. A
 * descriptor stays a descriptor: a registered file lives on when its descriptor is closed.
 *
 * @param count  1 to 32768.
 * @return  0, or -1. EINVAL: none, too many, or a number below -1; EBADF: one is not open; EBUSY: some
 *          are registered; EMFILE: above RLIMIT_NOFILE.
 */
AURA_API int aura_register_files(aura_engine_t *engine, const int *fds, unsigned int count);

/**
 * Replaces a registered file. Operations submitted before use the file that was there.
 *
 * @param fd  The new file, or -1 to empty the place.
 * @return  0, or -1. ENOENT: none are registered; EINVAL: there is no such index, or fd is below -1;
 *          EBUSY: a sync, allocation, truncation or chain in flight names the place; EBADF. After an
 *          error of the kernel rings may differ: unregister and register again.
 */
AURA_API int aura_update_file(aura_engine_t *engine, int index, int fd);

/**
 * Unregisters the buffers or the files. Outside callbacks it returns when the last operation on the
 * buffers is done (of files: the last that the kernel looks them up late for, as in aura_close()), and
 * callbacks may run in here; in a callback it is aura_request_unregister().
 *
 * @return  0, or -1. EINVAL: no such type; ENOENT: none are registered.
 */
AURA_API int aura_unregister(aura_engine_t *engine, aura_reg_type_t type);

/**
 * Refuses new operations on the registered buffers (EBUSY) and unregisters them when the last one in
 * flight is done, inside a later call that processes completions. For callbacks; never waits. Files are
 * unregistered at once, since operations in flight keep theirs; what has yet to find its own hears -EBADF.
 *
 * @return  0 (also when they are being unregistered already), or -1 as aura_unregister().
 */
AURA_API int aura_request_unregister(aura_engine_t *engine, aura_reg_type_t type);

/* ---- Statistics ---------------------------------------------------------------------------------- */

/*
 * From any thread at any time. Pass sizeof the struct: no more than that is written. A struct longer
 * than the library's has to be zeroed (E2BIG otherwise).
 */

/** Totals. 0, or -1 with EINVAL or E2BIG. */
AURA_API int aura_get_stats(const aura_engine_t *engine, aura_stats_t *stats, size_t stats_size);

/** Number of rings; 0 without engine. */
AURA_API int aura_get_ring_count(const aura_engine_t *engine);

/** One ring, from 0. 0, or -1 with EINVAL (stats is zeroed if there is no such ring) or E2BIG. */
AURA_API int aura_get_ring_stats(const aura_engine_t *engine, int ring_idx, aura_ring_stats_t *stats,
                                 size_t stats_size);

/** Recent latencies of one ring. 0, or -1 as aura_get_ring_stats(). */
AURA_API int aura_get_histogram(const aura_engine_t *engine, int ring_idx, aura_histogram_t *hist,
                                size_t hist_size);

/** The buffer pool. 0, or -1 with EINVAL or E2BIG. */
AURA_API int aura_get_buffer_stats(const aura_engine_t *engine, aura_buffer_stats_t *stats,
                                   size_t stats_size);

/** "BASELINE", "PROBING", "STEADY", "BACKOFF", "SETTLING", "CONVERGED", "PASSTHROUGH", or "UNKNOWN". */
AURA_API const char *aura_phase_name(int phase);

/**
 * A percentile of a histogram.
 *
 * @param percentile  0 to 100.
 * @return  Milliseconds, interpolated inside a bucket, whose width bounds the error; -1.0 for NULL, an
 *          empty histogram or another percentile. What lies in the overflow counts as 100 ms.
 */
AURA_API double aura_histogram_percentile(const aura_histogram_t *hist, double percentile);

/** Upper bound of a bucket in microseconds; 0 for NULL or if there is no such bucket. */
AURA_API int aura_histogram_bucket_upper_bound_us(const aura_histogram_t *hist, int bucket);

/* ---- Diagnostics and settings at run time -------------------------------------------------------- */

/** 0 while all is well, otherwise the errno that made the engine unusable; -1 with EINVAL without. */
AURA_API int aura_get_fatal_error(const aura_engine_t *engine);

/** Whether the calling thread is inside a completion callback, of any engine. */
AURA_API bool aura_in_callback_context(void);

/**
 * Changes the latency target. It takes effect at the end of the controller's present window.
 *
 * @param latency_ms  As max_p99_latency_ms in aura_options_t; 0: automatic.
 * @return  0, or -1 with EINVAL.
 */
AURA_API int aura_set_max_p99_latency(aura_engine_t *engine, double latency_ms);

/**
 * Changes the floor of the in-flight limit. It takes effect at the end of the controller's present
 * window, or never with disable_adaptive.
 *
 * @param limit  1 to the queue depth of all rings together.
 * @return  0, or -1 with EINVAL.
 */
AURA_API int aura_set_min_in_flight(aura_engine_t *engine, int limit);

/**
 * Fixes how many queued operations make a batch worth a system call, at once and for good.
 *
 * @param operations  1 to the queue depth; 0 leaves it to the controller again.
 * @return  0, or -1 with EINVAL.
 */
AURA_API int aura_set_batch_threshold(aura_engine_t *engine, int operations);

/* ---- Log ----------------------------------------------------------------------------------------- */

/**
 * Receives log messages, on whichever thread has something to say, several at a time. Messages that it
 * causes itself are dropped. It must not process completions.
 *
 * @param level     AURA_LOG_*.
 * @param msg       The message, valid during the call.
 * @param userdata  As given to aura_set_log_handler().
 */
typedef void (*aura_log_fn)(int level, const char *msg, void *userdata);

/**
 * Sets the log handler of the process; NULL: silence, as at the start. When it returns no other thread
 * is inside the handler before, so userdata can be freed; in a handler it does not wait for that.
 */
AURA_API void aura_set_log_handler(aura_log_fn handler, void *userdata);

/**
 * Sends a message through the handler, cut to 255 bytes. Does nothing without handler. From any thread.
 * Leaves errno as it is.
 *
 * @param level  AURA_LOG_*; lower ones become AURA_LOG_ERR, higher ones AURA_LOG_DEBUG.
 */
AURA_API void aura_log_emit(int level, const char *fmt, ...) AURA_PRINTF(2, 3);

/* ---- Version of the library ---------------------------------------------------------------------- */

/** For example "0.5.0". */
AURA_API const char *aura_version(void);

/** major * 10000 + minor * 100 + patch. */
AURA_API int aura_version_int(void);

#ifdef __cplusplus
}
#endif

#endif /* AURA_H */
