// Tasks and awaited operations.
#include "support.hpp"

#include <cstring>
#include <memory>
#include <memory_resource>
#include <stdexcept>
#include <stop_token>
#include <thread>

using namespace aura;

namespace {

Task<ssize_t> read_some(Engine &engine, int fd, std::size_t bytes) {
  auto buffer = engine.allocate_buffer(bytes);
  const ssize_t read = co_await engine.async_read(fd, buffer, bytes, 0);
  co_return read;
}

Task<int> number(int value) { co_return value; }

Task<int> thrower() {
  throw std::runtime_error("from a task");
  co_return 0;
}

Task<ssize_t> read_silence(Engine &engine, int fd, std::stop_token stop = {}) {
  char byte = 0;
  co_return co_await engine.async_read(fd, &byte, 1, 0, stop);
}

} // namespace

TEST_CASE("the reference's loop drives a task") {
  Engine engine(small());
  const Fd file(scratch_file(4096));
  auto task = read_some(engine, file, 4096);
  CHECK(!task.done());
  CHECK_THROWS_AS(task.get(), std::logic_error);
  while (!task.done()) {
    engine.wait();
    task.resume();
  }
  CHECK(task.get() == 4096);
  CHECK_THROWS_AS(task.get(), std::logic_error);
  CHECK(!task.resume());
}

TEST_CASE("every operation can be awaited") {
  Engine engine(small());
  const std::string path = scratch_path();
  sync_wait(engine, [](Engine &io, const std::string &name) -> Task<> {
    const int fd = co_await io.async_openat(AT_FDCWD, name.c_str(), O_RDWR | O_CREAT, 0600);
    char text[] = "coroutine", back[16] = {};
    CHECK(co_await io.async_write(fd, text, 9, 0) == 9);
    CHECK(co_await io.async_read(fd, back, 16, 0) == 9);
    CHECK(std::string(back) == text);
    const iovec parts[2] = {{text, 4}, {text + 4, 5}};
    CHECK(co_await io.async_writev(fd, parts, 9) == 9);
    CHECK(co_await io.async_readv(fd, parts, 0) == 9);
    co_await io.async_fsync(fd);
    co_await io.async_fdatasync(fd);
    struct statx about {};
    co_await io.async_statx(AT_FDCWD, name.c_str(), 0, AURA_STATX_SIZE, &about);
    CHECK(about.stx_size == 18);
    co_await io.async_fallocate(fd, AURA_FALLOC_DEFAULT, 0, 4096);
    co_await io.async_sync_file_range(fd, 0, 0, AURA_SYNC_RANGE_WRITE);
    const auto cut = co_await io.try_ftruncate(fd, 5);
    CHECK((cut || cut.code() == ENOSYS));
    co_await io.async_close(fd);
    CHECK((co_await io.try_read(fd, back, 1, 0)).code() == EBADF);
    CHECK((co_await io.try_openat(AT_FDCWD, "/nonexistent", O_RDONLY, 0)).code() == ENOENT);
    CHECK((co_await io.try_fsync(-1)).code() == EINVAL);
  }(engine, path));
  ::unlink(path.c_str());
}

TEST_CASE("failure is thrown where it is awaited, and passes through tasks") {
  Engine engine(small());
  auto task = [](Engine &io) -> Task<int> {
    char byte = 0;
    int err = co_await number(0);
    try {
      co_await io.async_read(-1, &byte, 1, 0);
    } catch (const Error &error) {
      err += error.code();
    }
    co_return err;
  }(engine);
  CHECK(sync_wait(engine, task) == EINVAL);
  CHECK_THROWS_AS(sync_wait(engine, thrower()), std::runtime_error);
  auto outer = []() -> Task<int> { co_return 1 + co_await thrower(); }();
  outer.resume();
  CHECK(outer.done());
  CHECK_THROWS_AS(outer.get(), std::runtime_error);
  CHECK_THROWS_AS(outer.get(), std::logic_error);
  CHECK(thrown([&] { sync_wait(engine, engine.async_close(-1)); }) == EINVAL);
}

TEST_CASE("tasks carry values, references, and what only moves") {
  Engine engine(small());
  CHECK(*sync_wait(engine, []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(4); }()) == 4);
  int here = 0;
  auto reference = [](int &to) -> Task<int &> { co_return to; }(here);
  reference.resume();
  CHECK(&reference.get() == &here);
  struct NoDefault {
    explicit NoDefault(int v) : value(v) {}
    int value;
  };
  CHECK(sync_wait(engine, []() -> Task<NoDefault> { co_return NoDefault(5); }()).value == 5);
  auto nothing = []() -> Task<> { co_return; }();
  nothing.resume();
  nothing.get();
  CHECK_THROWS_AS(nothing.get(), std::logic_error);
}

TEST_CASE("tasks are moved, empty, finished, awaited late") {
  Task<int> task = number(3);
  Task<int> moved = std::move(task);
  CHECK((!task && task.done() && !task.resume() && moved)); // NOLINT
  CHECK_THROWS_AS(task.get(), std::logic_error);
  CHECK(!moved.resume());
  auto late = [](Task<int> &ended) -> Task<int> { co_return co_await ended; }(moved);
  late.resume();
  CHECK(late.get() == 3);
  auto of_nothing = [](Task<int> none) -> Task<int> { co_return co_await none; }(Task<int>());
  of_nothing.resume();
  CHECK_THROWS_AS(of_nothing.get(), std::logic_error);
  moved = number(4);
  moved = Task<int>(); // Never started.
  CHECK(moved.done());
}

TEST_CASE("resume goes on after a pause, and leaves operations alone") {
  Engine engine(small());
  const Fd file(scratch_file(16));
  auto task = [](Engine &io, int fd) -> Task<int> {
    co_await std::suspend_always();
    char byte = 0;
    const auto read = co_await io.async_read(fd, &byte, 1, 0);
    co_await std::suspend_always();
    co_return static_cast<int>(read);
  }(engine, file);
  CHECK(task.resume());
  CHECK(task.resume()); // Submits.
  CHECK(task.resume()); // Waits for the operation, whatever is called.
  CHECK(task.resume());
  engine.drain();
  CHECK(!task.resume());
  CHECK(task.get() == 1);
}

TEST_CASE("hundreds of coroutines share a small engine: at the limit they wait for their turn") {
  for (const int rings : {1, 3}) {
    Engine engine(small(4).ring_count(rings));
    const Fd file(scratch_file(4096));
    int done = 0;
    std::vector<Task<>> tasks;
    for (int i = 0; i < 400; i++) {
      tasks.push_back([](Engine &io, int fd, int &count) -> Task<> {
        char bytes[16] = {};
        for (int round = 0; round < 5; round++) {
          CHECK(co_await io.async_read(fd, bytes, 16, round * 16) == 16);
          CHECK(static_cast<std::byte>(bytes[0]) == content(static_cast<std::size_t>(round) * 16));
        }
        count++;
      }(engine, file, done));
      tasks.back().resume();
    }
    engine.drain();
    CHECK(done == 400);
  }
}

TEST_CASE("who waits for a turn is stopped where completions are processed") {
  Engine engine(small(2));
  const Silence pipe;
  std::stop_source source;
  auto first = read_silence(engine, pipe.reading());
  auto second = read_silence(engine, pipe.reading());
  auto waiting = read_silence(engine, pipe.reading(), source.get_token());
  auto given_up = read_silence(engine, pipe.reading());
  auto destroyed = read_silence(engine, pipe.reading(), source.get_token());
  for (Task<ssize_t> *task : {&first, &second, &waiting, &given_up, &destroyed}) {
    task->resume();
  }
  CHECK(!waiting.done());
  source.request_stop();
  CHECK(!waiting.done()); // Nobody's code runs inside request_stop().
  destroyed = {};
  engine.wait(10000);
  CHECK(waiting.done());
  CHECK(thrown([&] { waiting.get(); }) == ECANCELED);
  given_up = {}; // While it waits for a turn.
}

TEST_CASE("other threads stop what an engine of one thread is doing" * doctest::test_suite("threads")) {
  Engine engine(small(2).single_thread());
  const Silence pipe;
  std::stop_source source;
  std::vector<Task<ssize_t>> tasks; // One of them waits for its turn.
  for (int i = 0; i < 3; i++) {
    tasks.push_back(read_silence(engine, pipe.reading(), source.get_token()));
    tasks.back().resume();
  }
  std::thread stopper([&] { source.request_stop(); });
  for (auto &task : tasks) {
    while (!task.done()) {
      engine.wait(10000);
    }
    CHECK(thrown([&] { task.get(); }) == ECANCELED);
  }
  stopper.join();
  CHECK(thrown([&] { sync_wait(engine, timeout(std::chrono::milliseconds(5), read_silence(engine, pipe.reading()))); }) == ETIMEDOUT);
}

TEST_CASE("whoever waits for a turn when the engine ends is told") {
  const Silence pipe;
  Task<ssize_t> first, waiting;
  {
    Engine engine(small(2).initial_in_flight(1).min_in_flight(1));
    first = read_silence(engine, pipe.reading());
    waiting = read_silence(engine, pipe.reading());
    first.resume();
    waiting.resume();
    REQUIRE(::write(pipe.writing(), "x", 1) == 1);
  }
  CHECK(first.get() == 1);
  CHECK(thrown([&] { waiting.get(); }) == ESHUTDOWN);
}

TEST_CASE("a stopped token keeps an operation from beginning") {
  Engine engine(small());
  const Silence pipe;
  std::stop_source source;
  source.request_stop();
  CHECK(thrown([&] { sync_wait(engine, read_silence(engine, pipe.reading(), source.get_token())); }) == ECANCELED);
  CHECK(engine.get_stats().ops_completed() == 0);
}

TEST_CASE("destroying a suspended task cancels its operation and waits for it") {
  Engine engine(small());
  const Silence pipe;
  {
    auto task = read_silence(engine, pipe.reading());
    task.resume();
    engine.poll();
    CHECK(engine.pending_count() == 1);
  }
  CHECK(engine.pending_count() == 0);
  {
    auto outer = [](Engine &io, int fd) -> Task<ssize_t> { co_return co_await read_silence(io, fd); }(engine, pipe.reading());
    outer.resume();
    CHECK(engine.pending_count() == 1);
    outer = {};
    CHECK(engine.pending_count() == 0);
  }
}

TEST_CASE("a suspended task can be destroyed while somebody else processes completions" * doctest::test_suite("threads")) {
  Engine engine(small());
  const Silence pipe;
  std::thread poller([&] { engine.run(); });
  for (int i = 0; i < 50; i++) {
    auto task = read_silence(engine, pipe.reading());
    task.resume();
  }
  engine.stop();
  poller.join();
}

TEST_CASE("flags go with an awaited operation") {
  Engine engine(small());
  const Fd file(scratch_file(64));
  const int files[] = {file};
  engine.register_files(files);
  char bytes[8] = {};
  CHECK(sync_wait(engine, engine.async_read(0, bytes, 8, 5, AURA_FIXED_FILE)) == 8);
  CHECK(static_cast<std::byte>(bytes[0]) == content(5));
  CHECK(sync_wait(engine, engine.async_read(0, bytes, 8, 5, {std::stop_token(), AURA_FIXED_FILE})) == 8);
  CHECK(sync_wait(engine, engine.try_read(7, bytes, 8, 5, AURA_FIXED_FILE)).code() == EBADF);
}

TEST_CASE("an awaitable can be kept and awaited twice") {
  Engine engine(small());
  const Fd file(scratch_file(64));
  char byte = 0;
  const auto total = sync_wait(engine, [](Engine &io, int fd, char *memory) -> Task<ssize_t> {
    auto read = io.async_read(fd, memory, 1, 0);
    const ssize_t first = co_await read;
    co_return first + co_await std::move(read);
  }(engine, file, &byte));
  CHECK(total == 2);
  Engine empty(std::move(engine));
  CHECK(sync_wait(empty, engine.try_read(file, &byte, 1, 0)).code() == EINVAL);
}

TEST_CASE("a frame comes from the allocator that the coroutine is given") {
  std::byte memory[2048];
  std::pmr::monotonic_buffer_resource resource(memory, sizeof memory, std::pmr::null_memory_resource());
  const long before = allocations();
  auto task = [](std::allocator_arg_t, std::pmr::polymorphic_allocator<>, int value) -> Task<int> {
    co_return value;
  }(std::allocator_arg, &resource, 8);
  task.resume();
  CHECK(task.get() == 8);
  CHECK(allocations() == before);
}

TEST_CASE("coroutines of somebody else's await operations, too") {
  struct Other {
    struct promise_type {
      Other get_return_object() { return {}; }
      std::suspend_never initial_suspend() { return {}; }
      std::suspend_never final_suspend() noexcept { return {}; }
      void return_void() {}
      void unhandled_exception() { std::terminate(); }
    };
  };
  Engine engine(small());
  const Fd file(scratch_file(64));
  ssize_t result = 0;
  [](Engine &io, int fd, ssize_t &bytes) -> Other {
    char byte = 0;
    bytes = co_await io.async_read(fd, &byte, 1, 0);
    bytes += co_await read_some(io, fd, 8);
  }(engine, file, result);
  engine.drain();
  CHECK(result == 9);
}
