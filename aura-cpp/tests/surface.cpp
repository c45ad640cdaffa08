// The parts without I/O: errors, results, options, statistics, the log, versions, types.
#include "support.hpp"

#include <concepts>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <type_traits>

using namespace aura;

static_assert(!std::is_copy_constructible_v<Engine> && std::is_nothrow_move_constructible_v<Engine>);
static_assert(!std::is_copy_assignable_v<Engine> && std::is_nothrow_move_assignable_v<Engine>);
static_assert(!std::is_copy_constructible_v<Buffer> && std::is_nothrow_move_constructible_v<Buffer>);
static_assert(std::is_copy_constructible_v<Request> && sizeof(Request) == sizeof(void *));
static_assert(!std::is_copy_constructible_v<Task<int>> && std::is_nothrow_move_constructible_v<Task<>>);
static_assert(std::is_base_of_v<std::system_error, Error>);
static_assert(std::convertible_to<void *, BufferRef> && std::convertible_to<Buffer &, BufferRef>);
static_assert(!std::convertible_to<const void *, BufferRef> && !std::convertible_to<const Buffer &, BufferRef>);
static_assert(std::constructible_from<BufferRef, const void *>);
static_assert(std::constructible_from<BufferRef, std::nullptr_t> && std::convertible_to<std::nullptr_t, BufferRef>);
static_assert(Callback<void (*)(Request &, ssize_t)> && !Callback<void (*)(int)>);
static_assert(Histogram::bucket_count == 320);
static_assert(std::same_as<Task<>, Task<void>>);
static_assert(std::same_as<detail::awaited_t<IoAwaitable>, ssize_t> && std::same_as<detail::awaited_t<OpenatAwaitable>, int>);
static_assert(std::is_void_v<detail::awaited_t<FsyncAwaitable>> && std::is_void_v<detail::awaited_t<MetadataAwaitable>>);
static_assert(std::is_void_v<detail::awaited_t<StatxAwaitable>>);

namespace {

/// The coroutine in which a library of senders (stdexec, libunifex) wraps an awaitable: its promise is none of ours.
struct ForeignPromise {
  std::suspend_never initial_suspend() noexcept;
  std::suspend_always final_suspend() noexcept;
};

/// What such a library asks of an awaitable before it takes it for a sender: a description that can be moved, and
/// that makes, as an rvalue, an operation which need not be movable, for a coroutine of any promise.
template <typename A>
concept SenderReady = std::move_constructible<A> && std::is_nothrow_move_constructible_v<A> &&
                      requires(A awaitable, std::coroutine_handle<ForeignPromise> waiting) {
                        { std::move(awaitable).operator co_await().await_ready() } noexcept -> std::same_as<bool>;
                        { std::move(awaitable).operator co_await().await_suspend(waiting) } noexcept -> std::same_as<bool>;
                        std::move(awaitable).operator co_await().await_resume();
                      };

} // namespace

static_assert(SenderReady<IoAwaitable> && SenderReady<VectoredAwaitable> && SenderReady<FsyncAwaitable>);
static_assert(SenderReady<OpenatAwaitable> && SenderReady<StatxAwaitable> && SenderReady<MetadataAwaitable>);
static_assert(SenderReady<TryAwaitable<op::Io>> && SenderReady<TryAwaitable<op::Sync>>);
static_assert(!std::move_constructible<decltype(std::declval<IoAwaitable>().operator co_await())>);

TEST_CASE("an error says what was attempted and what it means") {
  const Error error(ENOENT, "opening the log");
  CHECK(error.code() == ENOENT);
  CHECK(std::string(error.what()) == std::string("opening the log: ") + std::strerror(ENOENT));
  CHECK(std::string(Error(EINVAL).what()) == std::strerror(EINVAL));
  const std::system_error &base = error;
  CHECK(base.code() == std::errc::no_such_file_or_directory);
  CHECK((error.is_not_found() && !error.is_invalid()));
  CHECK((Error(EINVAL).is_invalid() && Error(EAGAIN).is_again() && Error(ESHUTDOWN).is_shutdown()));
  CHECK((Error(ECANCELED).is_cancelled() && Error(EBUSY).is_busy()));
  errno = EMFILE;
  CHECK(thrown([] { throw_errno("files"); }) == EMFILE);
  errno = ENFILE;
  CHECK(thrown([] { check(false); }) == ENFILE);
  CHECK_NOTHROW(check(true, "fine"));
}

TEST_CASE("a result is a value or an errno") {
  const result<int> good(7);
  CHECK((good && good.value() == 7 && *good == 7 && good.code() == 0 && good.value_or(1) == 7));
  const result<int> bad = failure(EIO, "reading");
  CHECK((!bad && bad.code() == EIO && bad.value_or(1) == 1));
  CHECK(bad.error() == std::errc::io_error);
  CHECK(thrown([&] { static_cast<void>(bad.value()); }) == EIO);
  CHECK_NOTHROW(result<void>().value());
  CHECK(thrown([] { result<void>(failure(EIO)).value(); }) == EIO);
  result<std::unique_ptr<int>> owner(std::make_unique<int>(3));
  CHECK(*std::move(owner).value() == 3);
}

TEST_CASE("options chain and can be asked") {
  Options options;
  const Options &set = options;
  CHECK((set.queue_depth() == 1024 && set.ring_count() == 0 && set.min_in_flight() == 4));
  CHECK((!set.disable_adaptive() && !set.enable_sqpoll() && !set.single_thread()));
  CHECK((set.sqpoll_idle_ms() == 1000 && set.ring_select() == RingSelect::Adaptive));
  CHECK(set.buffer_alignment() == static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
  options.queue_depth(512).ring_count(4).initial_in_flight(32).min_in_flight(2).max_p99_latency_ms(1.5);
  options.buffer_alignment(8192).disable_adaptive().enable_sqpoll().sqpoll_idle_ms(5).single_thread();
  options.ring_select(RingSelect::RoundRobin);
  CHECK((set.queue_depth() == 512 && set.ring_count() == 4 && set.initial_in_flight() == 32));
  CHECK((set.min_in_flight() == 2 && set.max_p99_latency_ms() == 1.5 && set.buffer_alignment() == 8192));
  CHECK((set.disable_adaptive() && set.enable_sqpoll() && set.single_thread() && set.sqpoll_idle_ms() == 5));
  CHECK((set.ring_select() == RingSelect::RoundRobin && set.c_options().ring_select == AURA_SELECT_ROUND_ROBIN));
  CHECK(thrown([] { Engine(Options().queue_depth(-1)); }) == EINVAL);
  CHECK(Engine::create(Options().queue_depth(-1)).code() == EINVAL);
}

TEST_CASE("statistics add up and rings are counted from 0") {
  Engine engine(small().ring_count(2));
  const Fd file(scratch_file(8192));
  char memory[4096] = {};
  for (int i = 0; i < 10; i++) {
    auto read = engine.read(file, memory, sizeof memory, 0, [](Request &, ssize_t) {});
    CHECK(read);
  }
  engine.drain();
  const Stats stats = engine.get_stats();
  CHECK((stats.ops_completed() == 10 && stats.bytes_transferred() == 40960 && stats.current_in_flight() == 0));
  CHECK((stats.peak_in_flight() >= 1 && stats.c_stats().ops_completed == 10 && stats.optimal_in_flight() > 0));
  REQUIRE(engine.ring_count() == 2);
  std::int64_t completed = 0;
  std::uint32_t counted = 0;
  for (int ring = 0; ring < engine.ring_count(); ring++) {
    const RingStats one = engine.get_ring_stats(ring);
    CHECK((one.ring_index() == ring && one.queue_depth() == 64 && one.pending_count() == 0));
    CHECK(std::string(one.aimd_phase_name()) == aura_phase_name(one.aimd_phase()));
    completed += one.ops_completed();
    counted += engine.get_histogram(ring).total_count();
  }
  CHECK((completed == 10 && counted == 10));
  CHECK_THROWS_AS(static_cast<void>(engine.get_ring_stats(2)), std::out_of_range);
  CHECK_THROWS_AS(static_cast<void>(engine.get_ring_stats(-1)), std::out_of_range);
  CHECK_THROWS_AS(static_cast<void>(engine.get_histogram(2)), std::out_of_range);
}

TEST_CASE("the buckets of a histogram follow one another") {
  Engine engine(small());
  const Histogram histogram = engine.get_histogram(0);
  CHECK((histogram.max_tracked_us() == 100000 && histogram.bucket_lower_us(0) == 0 && histogram.percentile(50) == -1.0));
  for (int i = 0; i + 1 < Histogram::bucket_count; i++) {
    CHECK(histogram.bucket_upper_us(i) == histogram.bucket_lower_us(i + 1));
  }
  CHECK(histogram.bucket_upper_us(319) == 100000);
  CHECK((histogram.bucket(-1) == 0 && histogram.bucket(320) == 0 && histogram.bucket_lower_us(320) == 0));
  CHECK((histogram.bucket_upper_us(-1) == 0 && histogram.overflow() == 0));
  CHECK(histogram.c_histogram().tier_count == 4);
}

TEST_CASE("log handlers are called, replaced, and may throw") {
  std::vector<std::string> heard;
  set_log_handler([&](LogLevel level, std::string_view message) {
    heard.push_back(std::string(log_level_name(level)) + " " + std::string(message));
  });
  log_emit(LogLevel::Warning, "100 % of it");
  log_emit(LogLevel::Error, std::string(1000, 'x'));
  REQUIRE(heard.size() == 2);
  CHECK((heard[0] == "WARN 100 % of it" && heard[1].size() == 4 + 255));
  int calls = 0;
  set_log_handler([&](LogLevel, std::string_view) {
    calls++;
    clear_log_handler(); // From inside.
    throw std::runtime_error("dropped");
  });
  log_emit(LogLevel::Info, "once");
  log_emit(LogLevel::Info, "never");
  CHECK((calls == 1 && heard.size() == 2));
  clear_log_handler();
}

TEST_CASE("the version is the library's") {
  CHECK((std::string(version()) == AURA_VERSION_STRING && version_int() == AURA_VERSION));
}

TEST_CASE("one can ask whether one is in a callback") {
  CHECK(!Engine::in_callback_context());
  Engine engine(small());
  const Fd file(scratch_file(16));
  char byte = 0;
  bool inside = false;
  auto read = engine.read(file, &byte, 1, 0, [&](Request &, ssize_t) { inside = Engine::in_callback_context(); });
  CHECK(read);
  engine.drain();
  CHECK(inside);
}
