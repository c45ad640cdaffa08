// Operations with callbacks, engines that move, buffers.
#include "support.hpp"

#include <array>
#include <cstring>
#include <optional>
#include <thread>

#include <poll.h>
#include <sys/stat.h>

using namespace aura;

namespace {

/// Waits for one operation and gives its result.
template <typename Submit> ssize_t outcome(Engine &engine, Submit submit) {
  std::optional<ssize_t> result;
  Request request = submit([&result](Request &, ssize_t bytes) { result = bytes; });
  CHECK(request);
  engine.drain();
  REQUIRE(result.has_value());
  CHECK(!request.pending());
  return *result;
}

} // namespace

TEST_CASE("every operation works with a callback") {
  Engine engine(small());
  const std::string path = scratch_path();
  const auto opened = outcome(engine, [&](auto call) {
    return engine.openat(AT_FDCWD, path.c_str(), AURA_O_RDWR | AURA_O_CREAT, 0600, call);
  });
  REQUIRE(opened >= 0);
  const int fd = static_cast<int>(opened);
  char text[] = "hello, world", back[16] = {};
  CHECK(outcome(engine, [&](auto call) { return engine.write(fd, text, 12, 0, call); }) == 12);
  CHECK(outcome(engine, [&](auto call) { return engine.read(fd, back, 16, 0, call); }) == 12);
  CHECK(std::string(back) == text);
  std::array<iovec, 2> parts{iovec{text, 5}, iovec{text + 7, 5}};
  CHECK(outcome(engine, [&](auto call) { return engine.writev(fd, parts, 100, call); }) == 10);
  CHECK(outcome(engine, [&](auto call) { return engine.readv(fd, parts, 100, call); }) == 10);
  CHECK(outcome(engine, [&](auto call) { return engine.fsync(fd, call); }) == 0);
  CHECK(outcome(engine, [&](auto call) { return engine.fdatasync(fd, call); }) == 0);
  struct statx about {};
  CHECK(outcome(engine, [&](auto call) { return engine.statx(AT_FDCWD, path.c_str(), 0, AURA_STATX_SIZE, &about, call); }) == 0);
  CHECK(about.stx_size == 110);
  CHECK(outcome(engine, [&](auto call) { return engine.fallocate(fd, AURA_FALLOC_DEFAULT, 0, 4096, call); }) == 0);
  CHECK(outcome(engine, [&](auto call) {
          return engine.sync_file_range(fd, 0, 0, AURA_SYNC_RANGE_WRITE | AURA_SYNC_RANGE_WAIT_AFTER, call);
        }) == 0);
  try {
    CHECK(outcome(engine, [&](auto call) { return engine.ftruncate(fd, 10, call); }) == 0);
  } catch (const Error &error) {
    CHECK(error.code() == ENOSYS);
    std::fprintf(stderr, "SKIP: no ftruncate in io_uring: Linux 6.9 or later is needed\n");
  }
  CHECK(outcome(engine, [&](auto call) { return engine.close(fd, call); }) == 0);
  CHECK(outcome(engine, [&](auto call) { return engine.read(fd, back, 16, 0, call); }) == -EBADF);
  ::unlink(path.c_str());
}

TEST_CASE("a request tells what it is while it is in flight") {
  Engine engine(small());
  const Silence pipe;
  char byte = 0;
  ssize_t result = 0;
  Request request = engine.read(pipe.reading(), &byte, 1, 0, [&](Request &self, ssize_t bytes) {
    CHECK((!self.pending() && self.fd() == pipe.reading() && self.op_type() == AURA_OP_READ));
    result = bytes;
  });
  CHECK((request.pending() && request.fd() == pipe.reading() && request.op_type() == AURA_OP_READ));
  CHECK(request.handle() != nullptr);
  CHECK(engine.pending_count() == 1);
  CHECK(thrown([&] { engine.wait(1); }) == ETIMEDOUT);
  CHECK(engine.cancel(request));
  engine.drain();
  CHECK(result == -ECANCELED);
  CHECK((request.fd() == -1 && request.op_type() == -1 && !engine.cancel(request)));
}

TEST_CASE("bad arguments are errors of the call") {
  Engine engine(small());
  const auto never = [](Request &, ssize_t) { FAIL("called"); };
  char byte = 0;
  CHECK(thrown([&] { static_cast<void>(engine.read(0, nullptr, 1, 0, never)); }) == EINVAL);
  CHECK(thrown([&] { static_cast<void>(engine.read(0, buf_fixed(-1), 1, 0, never)); }) == EINVAL);
  CHECK(thrown([&] { static_cast<void>(engine.read(0, buf_fixed(0), 1, 0, never)); }) == ENOENT);
  CHECK(thrown([&] { static_cast<void>(engine.write(-1, &byte, 1, 0, never)); }) == EINVAL);
  CHECK(thrown([&] { static_cast<void>(engine.readv(0, {}, 0, never)); }) == EINVAL);
  CHECK(engine.try_submit(op::read(0, &byte, 1, -1), never).code() == EINVAL);
  CHECK(thrown([&] { engine.wait(-2); }) == EINVAL);
  CHECK(thrown([&] { static_cast<void>(engine.allocate_buffer(0)); }) == EINVAL);
}

TEST_CASE("a full engine says EAGAIN to callbacks") {
  Engine engine(small(4));
  const Silence pipe;
  char bytes[8] = {};
  std::vector<Request> requests;
  int cancelled = 0;
  const int err = thrown([&] {
    for (char &byte : bytes) {
      requests.push_back(engine.read(pipe.reading(), &byte, 1, 0, [&](Request &, ssize_t r) { cancelled += r == -ECANCELED; }));
    }
  });
  CHECK((err == EAGAIN && requests.size() == 4));
  for (Request &request : requests) {
    CHECK(engine.cancel(request));
  }
  engine.drain();
  CHECK(cancelled == 4);
}

TEST_CASE("captures are moved in, kept, and destroyed once") {
  Engine engine(small());
  const Fd file(scratch_file(64));
  char byte = 0;
  const auto watched = std::make_shared<int>(0);
  struct Large {
    std::shared_ptr<int> watched;
    char room[200];
  };
  for (int i = 0; i < 3; i++) {
    auto small_one = engine.read(file, &byte, 1, 0, [watched](Request &, ssize_t r) { *watched += static_cast<int>(r); });
    auto large_one = engine.read(file, &byte, 1, 0, [large = Large{watched, {}}](Request &, ssize_t r) {
      *large.watched += static_cast<int>(r);
    });
    auto only_moves = engine.read(file, &byte, 1, 0, [own = std::make_unique<int>(1), watched](Request &, ssize_t) mutable {
      *watched += *own;
      own.reset();
    });
    CHECK((small_one && large_one && only_moves));
    CHECK(watched.use_count() == 4);
    engine.drain();
    CHECK(watched.use_count() == 1);
  }
  CHECK(*watched == 9);
  CHECK(thrown([&] { static_cast<void>(engine.read(-1, &byte, 1, 0, [watched](Request &, ssize_t) {})); }) == EINVAL);
  CHECK(watched.use_count() == 1);
}

TEST_CASE("callbacks submit, and must not wait") {
  Engine engine(small());
  const Fd file(scratch_file(64));
  char byte = 0;
  int left = 1000, deadlock = 0;
  struct Next {
    Engine &engine;
    int fd;
    char *byte;
    int &left, &deadlock;
    void operator()(Request &, ssize_t) const {
      deadlock += thrown([this] { engine.wait(0); }) == EDEADLK;
      if (--left > 0) {
        auto next = engine.read(fd, byte, 1, 0, *this);
        CHECK(next);
      }
    }
  };
  auto first = engine.read(file, &byte, 1, 0, Next{engine, file, &byte, left, deadlock});
  CHECK(first);
  engine.drain();
  CHECK((left == 0 && deadlock == 1000));
}

TEST_CASE("engines move with what is in flight") {
  const Fd file(scratch_file(64));
  const Silence pipe;
  char byte = 0, other = 0;
  int calls = 0;
  Engine engine(small());
  auto read = engine.read(file, &byte, 1, 0, [&](Request &, ssize_t) { calls++; });
  CHECK(read);
  Engine moved(std::move(engine));
  CHECK((!engine && moved)); // NOLINT: what is left behind is defined.
  moved.drain();
  CHECK(calls == 1);
  Engine target(small());
  auto late = target.read(file, &other, 1, 0, [&](Request &, ssize_t) { calls++; });
  CHECK(late);
  target = std::move(moved); // Delivers what the old one has in flight.
  CHECK(calls == 2);
  auto again = target.read(file, &byte, 1, 0, [&](Request &, ssize_t) { calls++; });
  CHECK(again);
  target.drain();
  CHECK(calls == 3);
}

TEST_CASE("a moved-from engine answers EINVAL") {
  Engine engine(small());
  const Engine moved(std::move(engine));
  char byte = 0;
  CHECK(engine.handle() == nullptr);
  CHECK(thrown([&] { engine.poll(); }) == EINVAL);
  CHECK(thrown([&] { engine.drain(); }) == EINVAL);
  CHECK(thrown([&] { static_cast<void>(engine.poll_fd()); }) == EINVAL);
  CHECK(thrown([&] { static_cast<void>(engine.get_stats()); }) == EINVAL);
  CHECK(thrown([&] { static_cast<void>(engine.get_ring_stats(0)); }) == EINVAL);
  CHECK(thrown([&] { static_cast<void>(engine.get_fatal_error()); }) == EINVAL);
  CHECK(thrown([&] { static_cast<void>(engine.allocate_buffer(1)); }) == EINVAL);
  CHECK(thrown([&] { static_cast<void>(engine.read(0, &byte, 1, 0, [](Request &, ssize_t) {})); }) == EINVAL);
  CHECK((engine.ring_count() == 0 && engine.get_buffer_stats().total_buffers() == 0));
  engine.stop();
  engine.run();
  Request none(nullptr);
  CHECK((!none && !none.pending() && none.fd() == -1 && none.op_type() == -1 && !engine.cancel(none)));
}

TEST_CASE("destroying an engine delivers what is in flight") {
  const Fd file(scratch_file(64));
  char bytes[16] = {};
  int calls = 0;
  {
    Engine engine(small());
    for (char &byte : bytes) {
      auto read = engine.read(file, &byte, 1, 0, [&](Request &, ssize_t) { calls++; });
      CHECK(read);
    }
  }
  CHECK(calls == 16);
}

TEST_CASE("an event loop of one's own, and one on a thread" * doctest::test_suite("threads")) {
  Engine engine(small());
  const Fd file(scratch_file(64));
  char byte = 0;
  int calls = 0;
  pollfd watched{engine.poll_fd(), POLLIN, 0};
  auto read = engine.read(file, &byte, 1, 0, [&](Request &, ssize_t) { calls++; });
  CHECK(read);
  CHECK(::poll(&watched, 1, 10000) == 1);
  while (calls == 0) {
    engine.poll();
  }
  std::atomic<int> there = 0;
  std::thread loop([&] { engine.run(); });
  for (int i = 0; i < 100; i++) {
    char *memory = &byte;
    while (!engine.try_submit(op::read(file, memory, 1, 0), [&](Request &, ssize_t) { there++; })) {
      std::this_thread::yield();
    }
  }
  while (there < 100) {
    std::this_thread::yield();
  }
  engine.stop();
  loop.join();
}

TEST_CASE("buffers are aligned, typed, and go back") {
  Engine engine(small());
  {
    Buffer buffer = engine.allocate_buffer(8192);
    CHECK((buffer && buffer.owned() && buffer.size() == 8192));
    CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % 4096 == 0);
    CHECK((buffer.span().size() == 8192 && buffer.as<std::uint64_t>().size() == 1024));
    CHECK(engine.get_buffer_stats().total_buffers() == 1);
    Buffer moved(std::move(buffer));
    CHECK((!buffer && buffer.size() == 0 && !buffer.owned() && moved.size() == 8192)); // NOLINT
    CHECK(thrown([&] { static_cast<void>(buffer.span()); }) == EINVAL);
    CHECK(thrown([&] { static_cast<void>(buffer.as<int>()); }) == EINVAL);
    const Buffer &constant = moved;
    CHECK((constant.span().size() == 8192 && constant.as<int>().size() == 2048 && !constant.ref().is_registered()));
    CHECK((BufferRef(moved).c_buf().u.ptr == moved.data() && buf(moved.data()).c_buf().u.ptr == moved.data()));
    buffer = std::move(moved);
    CHECK(buffer.owned());
    const Buffer::ReleasedBuffer released = buffer.release();
    CHECK((!buffer && released.size == 8192 && released.engine == engine.handle()));
    aura_buffer_free(released.engine, released.data);
  }
  CHECK(engine.get_buffer_stats().total_buffers() == 0);
  alignas(8) char memory[64];
  Buffer wrapped = Buffer::wrap(memory + 1, 32);
  CHECK((wrapped && !wrapped.owned() && wrapped.data() == memory + 1));
  CHECK(thrown([&] { static_cast<void>(wrapped.as<std::uint64_t>()); }) == EINVAL);
  CHECK((buf_fixed(3, 64).is_registered() && BufferRef::fixed(3).c_buf().u.fixed.index == 3));
}

TEST_CASE("a buffer outlives its engine") {
  Buffer small_one, large_one;
  {
    Engine engine(small());
    small_one = engine.allocate_buffer(4096);
    large_one = engine.allocate_buffer(8 << 20);
    std::memset(small_one.data(), 3, 4096);
  }
  std::memset(large_one.data(), 5, large_one.size());
  CHECK(small_one.span()[100] == std::byte{3});
  CHECK(large_one.span()[5 << 20] == std::byte{5});
  std::thread([&] { small_one = Buffer(); }).join();
}

TEST_CASE("registered buffers and files") {
  Engine engine(small());
  const Fd file(scratch_file(4096));
  std::vector<std::byte> memory(4096);
  const std::array<iovec, 1> registered{iovec{memory.data(), memory.size()}};
  engine.register_buffers(registered);
  CHECK(thrown([&] { engine.register_buffers(registered); }) == EBUSY);
  CHECK(outcome(engine, [&](auto call) { return engine.read(file, buf_fixed(0, 100), 50, 7, call); }) == 50);
  CHECK(memory[100] == content(7));
  const std::array<int, 2> files{file, -1};
  engine.register_files(files);
  CHECK(outcome(engine, [&](auto call) { return engine.read(0, memory.data(), 10, 3, call, AURA_FIXED_FILE); }) == 10);
  CHECK(memory[0] == content(3));
  engine.update_file(1, file);
  CHECK(outcome(engine, [&](auto call) { return engine.fsync(1, call, AURA_FIXED_FILE); }) == 0);
  CHECK(thrown([&] { engine.update_file(2, file); }) == EINVAL);
  engine.unregister(AURA_REG_FILES);
  engine.request_unregister(AURA_REG_BUFFERS);
  CHECK(thrown([&] { engine.unregister(AURA_REG_FILES); }) == ENOENT);
}

TEST_CASE("settings change while the engine runs") {
  Engine engine(small());
  engine.set_max_p99_latency(2.0);
  engine.set_min_in_flight(8);
  engine.set_batch_threshold(4);
  engine.flush();
  CHECK(engine.get_fatal_error() == 0);
  CHECK(thrown([&] { engine.set_batch_threshold(-1); }) == EINVAL);
}
