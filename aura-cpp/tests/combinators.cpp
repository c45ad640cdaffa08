// What combines tasks: all, any, timeouts, scopes, other threads, whole files.
#include "support.hpp"

#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

using namespace aura;
using namespace std::chrono_literals;

namespace {

Task<int> value_at(Engine &engine, int fd, off_t offset) {
  unsigned char byte = 0;
  co_await engine.async_read(fd, &byte, 1, offset);
  co_return byte;
}

Task<> nothing(Engine &engine, int fd) { co_await engine.async_fdatasync(fd); }

Task<ssize_t> silence(Engine &engine, int fd) {
  char byte = 0;
  co_return co_await engine.async_read(fd, &byte, 1, 0);
}

Task<result<ssize_t>> try_silence(Engine &engine, int fd) {
  char byte = 0;
  co_return co_await engine.try_read(fd, &byte, 1, 0);
}

Task<> fails() {
  throw Error(EIO, "on purpose");
  co_return;
}

} // namespace

TEST_CASE("when_all waits for all and gives all results") {
  Engine engine(small());
  const Fd file(scratch_file(512));
  const auto [first, none, last] = sync_wait(engine, when_all(value_at(engine, file, 3), nothing(engine, file), value_at(engine, file, 9)));
  CHECK((first == 3 && last == 9 && none == std::monostate()));
  std::vector<Task<int>> many;
  for (int i = 0; i < 200; i++) {
    many.push_back(value_at(engine, file, i));
  }
  const auto values = sync_wait(engine, when_all(std::move(many)));
  for (int i = 0; i < 200; i++) {
    CHECK(values[static_cast<std::size_t>(i)] == i);
  }
  CHECK(sync_wait(engine, when_all(std::vector<Task<int>>())).empty());
  CHECK(sync_wait(engine, when_all()) == std::tuple<>());
  int ran = 0;
  auto last_one = [](Engine &io, int fd, int &count) -> Task<> {
    co_await io.async_fsync(fd);
    count++;
  };
  CHECK(thrown([&] { sync_wait(engine, when_all(fails(), last_one(engine, file, ran))); }) == EIO);
  CHECK(ran == 1);
  Task<> started = fails();
  started.resume();
  CHECK_THROWS_AS(sync_wait(engine, when_all(std::move(started), fails())), std::logic_error);
}

TEST_CASE("when_any gives the first and stops the others") {
  Engine engine(small());
  const Fd file(scratch_file(512));
  const Silence pipe;
  const auto one = sync_wait(engine, when_any(silence(engine, pipe.reading()), value_at(engine, file, 7), nothing(engine, pipe.reading())));
  CHECK((one.index == 1 || one.index == 2));
  CHECK(engine.pending_count() == 0);
  std::vector<Task<ssize_t>> many;
  for (int i = 0; i < 5; i++) {
    many.push_back(silence(engine, pipe.reading()));
  }
  char unused;
  many.push_back(as_task(engine.async_read(file, &unused, 0, 0)));
  const auto first = sync_wait(engine, when_any(std::move(many)));
  CHECK((first.index == 5 && first.value == 0));
  CHECK(thrown([&] { sync_wait(engine, when_any(silence(engine, pipe.reading()), fails())); }) == EIO);
  CHECK_THROWS_AS(sync_wait(engine, when_any(std::vector<Task<>>())), std::invalid_argument);
}

TEST_CASE("stopping reaches what tasks await, however deep" * doctest::test_suite("threads")) {
  Engine engine(small());
  const Silence pipe;
  const auto deep = [](Engine &io, int fd) -> Task<ssize_t> {
    const auto inner = co_await when_any(silence(io, fd), silence(io, fd));
    co_return std::get<0>(inner.value);
  };
  CHECK(thrown([&] { sync_wait(engine, timeout(10ms, deep(engine, pipe.reading()))); }) == ETIMEDOUT);
  CHECK(engine.pending_count() == 0);
  bool told = false;
  const auto asks = [](Engine &io, int fd, bool &stopped) -> Task<> {
    const auto ended = co_await io.try_read(fd, &stopped, 1, 0);
    CHECK(ended.code() == ECANCELED);
    stopped = (co_await current_stop_token()).stop_requested();
  };
  sync_wait(engine, when_any(asks(engine, pipe.reading(), told), [](Engine &io) -> Task<> { static_cast<void>(co_await io.try_close(-1)); }(engine)));
  CHECK(told);
}

TEST_CASE("a timeout is kept, or not noticed" * doctest::test_suite("threads")) {
  Engine engine(small());
  const Fd file(scratch_file(64));
  const Silence pipe;
  CHECK(sync_wait(engine, timeout(1min, value_at(engine, file, 5))) == 5);
  CHECK(thrown([&] { sync_wait(engine, timeout(5ms, silence(engine, pipe.reading()))); }) == ETIMEDOUT);
  CHECK(sync_wait(engine, timeout(5ms, try_silence(engine, pipe.reading()))).code() == ETIMEDOUT);
  CHECK(thrown([&] { sync_wait(engine, timeout(1min, fails())); }) == EIO);
  CHECK(thrown([&] { sync_wait(engine, timeout(1min, timeout(5ms, silence(engine, pipe.reading())))); }) == ETIMEDOUT);
}

TEST_CASE("a scope joins what was spawned") {
  Engine engine(small());
  const Fd file(scratch_file(512));
  const Silence pipe;
  std::atomic<int> sum = 0;
  {
    async_scope scope(engine);
    for (int i = 0; i < 100; i++) {
      scope.spawn([](Engine &io, int fd, std::atomic<int> &to, int at) -> Task<> { to += co_await value_at(io, fd, at); }(engine, file, sum, i));
    }
    sync_wait(engine, scope.join());
    CHECK((scope.running() == 0 && sum == 99 * 50));
    scope.spawn(silence(engine, pipe.reading()));
    CHECK(scope.running() == 1);
  } // Stopped and joined.
  CHECK(engine.pending_count() == 0);
  async_scope failing(engine);
  failing.spawn(silence(engine, pipe.reading()));
  failing.spawn(fails());
  CHECK(thrown([&] { sync_wait(engine, failing.join()); }) == EIO);
  CHECK((failing.running() == 0 && failing.get_stop_token().stop_requested()));
  sync_wait(engine, failing.join()); // Told once.
  async_scope stopped(engine);
  stopped.spawn(silence(engine, pipe.reading()));
  stopped.request_stop();
  sync_wait(engine, stopped.join()); // Being stopped is no failure.
}

TEST_CASE("coroutines go to other threads and back" * doctest::test_suite("threads")) {
  Engine engine(small());
  const Fd file(scratch_file(64));
  std::vector<std::thread> threads;
  auto executor = [&](std::coroutine_handle<> f) { threads.emplace_back([f] { f.resume(); }); };
  const auto where = sync_wait(engine, [](Engine &io, int fd, auto &there) -> Task<std::thread::id> {
    co_await value_at(io, fd, 0);
    co_await resume_on(there);
    const auto id = std::this_thread::get_id();
    CHECK(co_await value_at(io, fd, 9) == 9);
    co_return id;
  }(engine, file, executor));
  CHECK(where == threads.at(0).get_id());
  threads[0].join();
}

TEST_CASE("a coroutine comes back to the thread that processes completions" * doctest::test_suite("threads")) {
  Engine engine(small().single_thread());
  const Fd file(scratch_file(64));
  std::vector<std::thread> threads;
  auto executor = [&threads](std::coroutine_handle<> f) { threads.emplace_back(f); };
  const auto where = sync_wait(engine, [](Engine &io, int fd, auto &there) -> Task<std::thread::id> {
    CHECK(co_await value_at(io, fd, 3) == 3);
    co_await resume_on(there);
    char byte = 0;
    const auto refused = co_await io.try_read(fd, &byte, 1, 0);
    CHECK(refused.code() == EINVAL); // The engine is the other thread's.
    co_await resume_on(io);
    CHECK(co_await value_at(io, fd, 5) == 5);
    co_return std::this_thread::get_id();
  }(engine, file, executor));
  CHECK(where == std::this_thread::get_id());
  threads.at(0).join();
  Engine moved(std::move(engine));
  auto lost = [](Engine &io) -> Task<> { co_await resume_on(io); }(engine); // NOLINT
  lost.resume();
  CHECK(thrown([&] { lost.get(); }) == EINVAL);
}

TEST_CASE("sync_wait with a poller elsewhere, and where it cannot be" * doctest::test_suite("threads")) {
  Engine engine(small());
  const Fd file(scratch_file(64));
  std::thread poller([&] { engine.run(); });
  CHECK(sync_wait(value_at(engine, file, 4)) == 4);
  CHECK(sync_wait(engine, value_at(engine, file, 5)) == 5);
  engine.stop();
  poller.join();
  char byte = 0;
  int err = 0;
  auto read = engine.read(file, &byte, 1, 0, [&](Request &, ssize_t) {
    err = thrown([&] { sync_wait(engine, value_at(engine, file, 5)); });
  });
  CHECK(read);
  engine.drain();
  CHECK(err == EDEADLK);
}

TEST_CASE("whole buffers and whole files") {
  Engine engine(small(8));
  const std::string from = scratch_path(), to = scratch_path();
  std::vector<std::byte> bytes(3 << 20);
  for (std::size_t i = 0; i < bytes.size(); i++) {
    bytes[i] = content(i);
  }
  bytes.resize(bytes.size() - 77);
  {
    const Fd file(::open(from.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
    sync_wait(engine, write_all(engine, file, bytes, 0));
    std::vector<std::byte> part(1000);
    sync_wait(engine, read_exact(engine, file, part, 500));
    CHECK(part[0] == content(500));
    CHECK(thrown([&] { sync_wait(engine, read_exact(engine, file, part, static_cast<off_t>(bytes.size()) - 10)); }) == ENODATA);
    CHECK(thrown([&] { sync_wait(engine, write_all(engine, -1, part, 0)); }) == EINVAL);
  }
  CHECK(sync_wait(engine, copy_file(engine, from, to)) == bytes.size());
  CHECK((sync_wait(engine, read_file(engine, to)) == bytes));
  CHECK(thrown([&] { sync_wait(engine, copy_file(engine, from, from)); }) == EINVAL);
  CHECK((sync_wait(engine, read_file(engine, from)) == bytes));
  CHECK(!sync_wait(engine, read_file(engine, "/proc/self/status")).empty());
  CHECK(sync_wait(engine, try_read_file(engine, "/nonexistent")).code() == ENOENT);
  CHECK(thrown([&] { sync_wait(engine, copy_file(engine, "/nonexistent", to)); }) == ENOENT);
  CHECK(thrown([&] { sync_wait(engine, copy_file(engine, from, "/nonexistent/file")); }) == ENOENT);
  ::unlink(from.c_str());
  ::unlink(to.c_str());
}
