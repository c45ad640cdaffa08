// aura::Engine: rings, controller, buffer pool.
#ifndef AURA_ENGINE_HPP
#define AURA_ENGINE_HPP

#include <aura/awaitable.hpp>
#include <aura/buffer.hpp>
#include <aura/detail/callback.hpp>
#include <aura/detail/core.hpp>
#include <aura/error.hpp>
#include <aura/op.hpp>
#include <aura/options.hpp>
#include <aura/request.hpp>
#include <aura/result.hpp>
#include <aura/stats.hpp>

#include <climits>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace aura {

/// An engine. Any thread submits; completions are processed by one thread at a time, the one in poll(), wait(), run()
/// or drain(), where callbacks run and coroutines go on; others wait for their turn.
///
/// Functions throw Error, unless they say otherwise. A call that processes completions throws Error(EDEADLK) in a
/// callback of the same engine. A moved-from engine answers everything with Error(EINVAL).
class Engine {
public:
  /// With default options: a ring per CPU, self-tuning. EPERM: io_uring is forbidden; the log says what to do.
  Engine() : Engine(aura_create(), "aura_create") {}
  /// With settings of one's own. EINVAL: one of them makes no sense; the log says which.
  explicit Engine(const Options &opts)
      : Engine(aura_create_with_options(&opts.c_options()), "aura_create_with_options") {}
  /// For programs without exceptions.
  [[nodiscard]] static result<Engine> create(const Options &opts = {}) {
    aura_engine_t *engine = aura_create_with_options(&opts.c_options());
    if (engine == nullptr) {
      return failure(errno, "aura_create_with_options");
    }
    return Engine(engine, "");
  }

  /// While no thread is in a call of the other. What is in flight, and buffers, move along.
  Engine(Engine &&other) noexcept = default;
  /// Ends this engine first.
  Engine &operator=(Engine &&other) noexcept {
    if (this != &other) {
      end();
      core_ = std::move(other.core_);
    }
    return *this;
  }
  Engine(const Engine &) = delete;
  Engine &operator=(const Engine &) = delete;
  /// Refuses new operations, delivers what is in flight (callbacks run in here), and cancels what does not end. Join
  /// the threads that use the engine first. Not in a callback.
  ~Engine() { end(); }

  // ---- With a callback ------------------------------------------------------------------------------------------
  //
  // The callback is called exactly once, as callback(Request &, ssize_t), on the thread that processes completions,
  // with bytes (or a descriptor, or 0), or the negative of an errno. An exception that leaves it ends the program.
  // Captures of up to 48 bytes cost no allocation. op_flags: AURA_FIXED_FILE, if fd is the index of a registered file.
  //
  // EAGAIN: as much is in flight as the limit allows; process completions, then try again.

  /// Reads len bytes at offset into buf. The memory stays valid until the operation is over.
  template <Callback F> [[nodiscard]] Request read(int fd, BufferRef buf, std::size_t len, off_t offset, F &&callback, std::uint32_t op_flags = 0) {
    return start(op::read(fd, buf, len, offset), std::forward<F>(callback), op_flags);
  }
  /// Writes len bytes from buf at offset.
  template <Callback F> [[nodiscard]] Request write(int fd, BufferRef buf, std::size_t len, off_t offset, F &&callback, std::uint32_t op_flags = 0) {
    return start(op::write(fd, buf, len, offset), std::forward<F>(callback), op_flags);
  }
  /// Reads into several buffers. Array and buffers stay valid until the operation is over.
  template <Callback F> [[nodiscard]] Request readv(int fd, std::span<const iovec> iov, off_t offset, F &&callback, std::uint32_t op_flags = 0) {
    return start(op::readv(fd, iov, offset), std::forward<F>(callback), op_flags);
  }
  /// Writes from several buffers.
  template <Callback F> [[nodiscard]] Request writev(int fd, std::span<const iovec> iov, off_t offset, F &&callback, std::uint32_t op_flags = 0) {
    return start(op::writev(fd, iov, offset), std::forward<F>(callback), op_flags);
  }
  /// Makes what was written durable, with metadata.
  template <Callback F> [[nodiscard]] Request fsync(int fd, F &&callback, std::uint32_t op_flags = 0) {
    return start(op::fsync(fd), std::forward<F>(callback), op_flags);
  }
  /// Makes what was written durable, with the metadata needed to read it again.
  template <Callback F> [[nodiscard]] Request fdatasync(int fd, F &&callback, std::uint32_t op_flags = 0) {
    return start(op::fdatasync(fd), std::forward<F>(callback), op_flags);
  }
  /// Opens a file. The result is its descriptor. The path stays valid until the operation is over.
  template <Callback F> [[nodiscard]] Request openat(int dirfd, const char *pathname, int flags, mode_t mode, F &&callback) {
    return start(op::openat(dirfd, pathname, flags, mode), std::forward<F>(callback), 0);
  }
  /// Closes a descriptor.
  template <Callback F> [[nodiscard]] Request close(int fd, F &&callback) {
    return start(op::close(fd), std::forward<F>(callback), 0);
  }
  /// Asks for metadata. Path and buf stay valid until the operation is over.
  template <Callback F> [[nodiscard]] Request statx(int dirfd, const char *pathname, int flags, unsigned int mask, struct statx *buf, F &&callback) {
    return start(op::statx(dirfd, pathname, flags, mask, buf), std::forward<F>(callback), 0);
  }
  /// Allocates, frees or moves space: AURA_FALLOC_*.
  template <Callback F> [[nodiscard]] Request fallocate(int fd, int mode, off_t offset, off_t len, F &&callback, std::uint32_t op_flags = 0) {
    return start(op::fallocate(fd, mode, offset, len), std::forward<F>(callback), op_flags);
  }
  /// Sets the length of a file (Linux 6.9; ENOSYS before).
  template <Callback F> [[nodiscard]] Request ftruncate(int fd, off_t length, F &&callback, std::uint32_t op_flags = 0) {
    return start(op::ftruncate(fd, length), std::forward<F>(callback), op_flags);
  }
  /// Writes out a range: AURA_SYNC_RANGE_*.
  template <Callback F> [[nodiscard]] Request sync_file_range(int fd, off_t offset, off_t nbytes, unsigned int flags, F &&callback, std::uint32_t op_flags = 0) {
    return start(op::sync_file_range(fd, offset, nbytes, flags), std::forward<F>(callback), op_flags);
  }

  /// Any operation, without exceptions: `engine.try_submit(aura::op::read(fd, buffer, 4096, 0), callback)`.
  template <typename Op, Callback F> result<Request> try_submit(const Op &op, F &&callback, std::uint32_t op_flags = 0) {
    if (!core_) {
      return failure(EINVAL, op.name());
    }
    aura_request_t *request = detail::submit_callback(*core_, op, op_flags, std::forward<F>(callback));
    if (request == nullptr) {
      return failure(errno, op.name());
    }
    return Request(request);
  }

  // ---- With a coroutine -----------------------------------------------------------------------------------------
  //
  // co_await gives the bytes, the descriptor or nothing, and throws Error if the operation failed. At the limit the
  // coroutine waits for its turn. with: a stop token, flags, or both; stopping ends the operation with ECANCELED.

  IoAwaitable async_read(int fd, BufferRef buf, std::size_t len, off_t offset, With with = {}) noexcept {
    return awaitable(op::read(fd, buf, len, offset), std::move(with));
  }
  IoAwaitable async_write(int fd, BufferRef buf, std::size_t len, off_t offset, With with = {}) noexcept {
    return awaitable(op::write(fd, buf, len, offset), std::move(with));
  }
  VectoredAwaitable async_readv(int fd, std::span<const iovec> iov, off_t offset, With with = {}) noexcept {
    return awaitable(op::readv(fd, iov, offset), std::move(with));
  }
  VectoredAwaitable async_writev(int fd, std::span<const iovec> iov, off_t offset, With with = {}) noexcept {
    return awaitable(op::writev(fd, iov, offset), std::move(with));
  }
  FsyncAwaitable async_fsync(int fd, With with = {}) noexcept {
    return awaitable(op::fsync(fd), std::move(with));
  }
  FsyncAwaitable async_fdatasync(int fd, With with = {}) noexcept {
    return awaitable(op::fdatasync(fd), std::move(with));
  }
  OpenatAwaitable async_openat(int dirfd, const char *pathname, int flags, mode_t mode, With with = {}) noexcept {
    return awaitable(op::openat(dirfd, pathname, flags, mode), std::move(with));
  }
  MetadataAwaitable async_close(int fd, With with = {}) noexcept {
    return awaitable(op::close(fd), std::move(with));
  }
  StatxAwaitable async_statx(int dirfd, const char *pathname, int flags, unsigned int mask, struct statx *buf, With with = {}) noexcept {
    return awaitable(op::statx(dirfd, pathname, flags, mask, buf), std::move(with));
  }
  MetadataAwaitable async_fallocate(int fd, int mode, off_t offset, off_t len, With with = {}) noexcept {
    return awaitable(op::fallocate(fd, mode, offset, len), std::move(with));
  }
  MetadataAwaitable async_ftruncate(int fd, off_t length, With with = {}) noexcept {
    return awaitable(op::ftruncate(fd, length), std::move(with));
  }
  MetadataAwaitable async_sync_file_range(int fd, off_t offset, off_t nbytes, unsigned int flags, With with = {}) noexcept {
    return awaitable(op::sync_file_range(fd, offset, nbytes, flags), std::move(with));
  }

  // The same, answering with an aura::result instead of throwing.

  TryAwaitable<op::Io> try_read(int fd, BufferRef buf, std::size_t len, off_t offset, With with = {}) noexcept {
    return awaitable<Failing::Returns>(op::read(fd, buf, len, offset), std::move(with));
  }
  TryAwaitable<op::Io> try_write(int fd, BufferRef buf, std::size_t len, off_t offset, With with = {}) noexcept {
    return awaitable<Failing::Returns>(op::write(fd, buf, len, offset), std::move(with));
  }
  TryAwaitable<op::Vectored> try_readv(int fd, std::span<const iovec> iov, off_t offset, With with = {}) noexcept {
    return awaitable<Failing::Returns>(op::readv(fd, iov, offset), std::move(with));
  }
  TryAwaitable<op::Vectored> try_writev(int fd, std::span<const iovec> iov, off_t offset, With with = {}) noexcept {
    return awaitable<Failing::Returns>(op::writev(fd, iov, offset), std::move(with));
  }
  TryAwaitable<op::Sync> try_fsync(int fd, With with = {}) noexcept {
    return awaitable<Failing::Returns>(op::fsync(fd), std::move(with));
  }
  TryAwaitable<op::Sync> try_fdatasync(int fd, With with = {}) noexcept {
    return awaitable<Failing::Returns>(op::fdatasync(fd), std::move(with));
  }
  TryAwaitable<op::Openat> try_openat(int dirfd, const char *pathname, int flags, mode_t mode, With with = {}) noexcept {
    return awaitable<Failing::Returns>(op::openat(dirfd, pathname, flags, mode), std::move(with));
  }
  TryAwaitable<op::Metadata> try_close(int fd, With with = {}) noexcept {
    return awaitable<Failing::Returns>(op::close(fd), std::move(with));
  }
  TryAwaitable<op::Statx> try_statx(int dirfd, const char *pathname, int flags, unsigned int mask, struct statx *buf, With with = {}) noexcept {
    return awaitable<Failing::Returns>(op::statx(dirfd, pathname, flags, mask, buf), std::move(with));
  }
  TryAwaitable<op::Metadata> try_fallocate(int fd, int mode, off_t offset, off_t len, With with = {}) noexcept {
    return awaitable<Failing::Returns>(op::fallocate(fd, mode, offset, len), std::move(with));
  }
  TryAwaitable<op::Metadata> try_ftruncate(int fd, off_t length, With with = {}) noexcept {
    return awaitable<Failing::Returns>(op::ftruncate(fd, length), std::move(with));
  }
  TryAwaitable<op::Metadata> try_sync_file_range(int fd, off_t offset, off_t nbytes, unsigned int flags, With with = {}) noexcept {
    return awaitable<Failing::Returns>(op::sync_file_range(fd, offset, nbytes, flags), std::move(with));
  }

  // ---- Cancelling -----------------------------------------------------------------------------------------------

  /// Asks the kernel to cancel an operation; its callback runs in any case. false: it is over, or could not be asked.
  bool cancel(Request &req) noexcept { return aura_cancel(handle(), req.handle()) == 0; }

  // ---- Processing completions -----------------------------------------------------------------------------------

  /// A descriptor for epoll, poll or select, readable as long as poll() has something to do.
  [[nodiscard]] int poll_fd() const { return counted(aura_get_poll_fd(handle()), "aura_get_poll_fd"); }
  /// Processes what has completed, without waiting. How many operations.
  int poll() { return counted(aura_poll(handle()), "aura_poll"); }
  /// Waits until something has completed, and processes it. ETIMEDOUT: nothing has, and operations are in flight.
  /// @param timeout_ms  -1: no limit; but with nothing in flight it returns 0 after a moment.
  int wait(int timeout_ms = -1) { return counted(aura_wait(handle(), timeout_ms), "aura_wait"); }
  /// Processes completions until stop(), then delivers what is in flight, for ten seconds at most.
  void run() { aura_run(handle()); }
  /// Ends run(), and a wait() that sleeps. From any thread, and from callbacks.
  void stop() noexcept { aura_stop(handle()); }
  /// Processes completions until nothing is in flight, ETIMEDOUT if that takes longer.
  int drain(int timeout_ms = -1) { return counted(aura_drain(handle(), timeout_ms), "aura_drain"); }
  /// Hands over what is queued without waiting for a batch to fill. Seldom needed.
  void flush() { counted(aura_flush(handle()), "aura_flush"); }
  /// Operations in flight.
  [[nodiscard]] int pending_count() const { return counted(aura_pending_count(handle()), "aura_pending_count"); }

  [[nodiscard]] result<int> try_poll() noexcept { return outcome(aura_poll(handle()), "aura_poll"); }
  [[nodiscard]] result<int> try_wait(int timeout_ms = -1) noexcept {
    return outcome(aura_wait(handle(), timeout_ms), "aura_wait");
  }
  [[nodiscard]] result<int> try_drain(int timeout_ms = -1) noexcept {
    return outcome(aura_drain(handle(), timeout_ms), "aura_drain");
  }

  // ---- Buffers and files ----------------------------------------------------------------------------------------

  /// A buffer from the pool, aligned for direct I/O, of 1 byte to 128 MiB.
  [[nodiscard]] Buffer allocate_buffer(std::size_t size) { return std::move(try_allocate_buffer(size)).value(); }
  [[nodiscard]] result<Buffer> try_allocate_buffer(std::size_t size) noexcept {
    void *ptr = aura_buffer_alloc(handle(), size);
    if (ptr == nullptr) {
      return failure(errno, "aura_buffer_alloc");
    }
    return Buffer(core_->pool(), handle(), ptr, size);
  }

  /// Registers buffers: pinned once instead of at every operation. Named by buf_fixed().
  void register_buffers(std::span<const iovec> bufs) {
    counted(aura_register_buffers(handle(), bufs.data(), count_of(bufs)), "aura_register_buffers");
  }
  /// Registers files; -1 is an empty place. Named by index, with AURA_FIXED_FILE.
  void register_files(std::span<const int> fds) {
    counted(aura_register_files(handle(), fds.data(), count_of(fds)), "aura_register_files");
  }
  /// Replaces a registered file; -1 empties the place.
  void update_file(int index, int fd) { counted(aura_update_file(handle(), index, fd), "aura_update_file"); }
  /// Unregisters buffers or files, and waits until nothing uses them; in a callback it does not wait.
  void unregister(aura_reg_type_t type) { counted(aura_unregister(handle(), type), "aura_unregister"); }
  /// Unregisters when nothing uses them any more; never waits.
  void request_unregister(aura_reg_type_t type) {
    counted(aura_request_unregister(handle(), type), "aura_request_unregister");
  }

  // ---- Statistics and settings ----------------------------------------------------------------------------------

  [[nodiscard]] Stats get_stats() const {
    aura_stats_t stats{};
    counted(aura_get_stats(handle(), &stats, sizeof stats), "aura_get_stats");
    return Stats(stats);
  }
  [[nodiscard]] int ring_count() const noexcept { return aura_get_ring_count(handle()); }
  /// Throws std::out_of_range if there is no such ring.
  [[nodiscard]] RingStats get_ring_stats(int ring_idx) const {
    aura_ring_stats_t stats{};
    of_ring(aura_get_ring_stats(handle(), ring_idx, &stats, sizeof stats), "aura_get_ring_stats");
    return RingStats(stats, ring_idx);
  }
  /// Throws std::out_of_range if there is no such ring.
  [[nodiscard]] Histogram get_histogram(int ring_idx) const {
    aura_histogram_t histogram{};
    of_ring(aura_get_histogram(handle(), ring_idx, &histogram, sizeof histogram), "aura_get_histogram");
    return Histogram(histogram);
  }
  [[nodiscard]] BufferStats get_buffer_stats() const noexcept {
    aura_buffer_stats_t stats{};
    static_cast<void>(aura_get_buffer_stats(handle(), &stats, sizeof stats));
    return BufferStats(stats);
  }
  /// 0 while all is well, otherwise the errno that made the engine unusable.
  [[nodiscard]] int get_fatal_error() const { return counted(aura_get_fatal_error(handle()), "aura_get_fatal_error"); }
  /// Whether the calling thread is inside a callback, of any engine.
  [[nodiscard]] static bool in_callback_context() noexcept { return aura_in_callback_context(); }

  /// Changes the latency target, in milliseconds; 0: automatic.
  void set_max_p99_latency(double latency_ms) {
    counted(aura_set_max_p99_latency(handle(), latency_ms), "aura_set_max_p99_latency");
  }
  /// Changes the floor of the in-flight limit.
  void set_min_in_flight(int limit) { counted(aura_set_min_in_flight(handle(), limit), "aura_set_min_in_flight"); }
  /// Fixes how many queued operations make a batch; 0 leaves it to the controller.
  void set_batch_threshold(int operations) {
    counted(aura_set_batch_threshold(handle(), operations), "aura_set_batch_threshold");
  }

  // ---- The C interface ------------------------------------------------------------------------------------------

  [[nodiscard]] aura_engine_t *handle() noexcept { return core_ ? core_->engine() : nullptr; }
  /// For questions only. (The C interface asks for constant engines where it changes nothing.)
  [[nodiscard]] const aura_engine_t *handle() const noexcept { return core_ ? core_->engine() : nullptr; }
  [[nodiscard]] explicit operator bool() const noexcept { return core_ != nullptr; }

private:
  Engine(aura_engine_t *engine, const char *attempt) {
    check(engine != nullptr, attempt);
    // Nothing in here fails but for want of memory.
    core_ = std::make_unique<detail::Core>(engine, detail::PoolShare(aura_pool_share(engine)));
  }

  void end() noexcept {
    if (!core_) {
      return;
    }
    aura_destroy(core_->engine());
    core_->queue.close(ESHUTDOWN);
    if (detail::processing == core_->engine()) {
      static_cast<void>(core_.release()); // Against the rules, in a callback: the library ends it later, and needs it.
    }
    core_.reset();
  }

  template <typename Op, typename F> Request start(const Op &op, F &&callback, std::uint32_t op_flags) {
    return try_submit(op, std::forward<F>(callback), op_flags).value();
  }

  template <Failing failing = Failing::Throws, typename Op>
  Awaitable<Op, failing> awaitable(const Op &op, With &&with) noexcept {
    return {core_.get(), op, std::move(with)};
  }

  static int counted(int answer, const char *attempt) {
    check(answer >= 0, attempt);
    return answer;
  }
  static result<int> outcome(int answer, const char *attempt) noexcept {
    return answer >= 0 ? result<int>(answer) : result<int>(failure(errno, attempt));
  }
  void of_ring(int answer, const char *attempt) const {
    check(answer == 0 || *this, attempt);
    if (answer != 0) {
      detail::raise<std::out_of_range>("ring_idx is out of range");
    }
  }
  template <typename T> static unsigned count_of(std::span<const T> items) noexcept {
    return items.size() > UINT_MAX ? UINT_MAX : static_cast<unsigned>(items.size());
  }

  std::unique_ptr<detail::Core> core_;
};

/// Version of the library, for example "0.5.0".
[[nodiscard]] inline const char *version() noexcept { return aura_version(); }
/// major * 10000 + minor * 100 + patch.
[[nodiscard]] inline int version_int() noexcept { return aura_version_int(); }

} // namespace aura

#endif
