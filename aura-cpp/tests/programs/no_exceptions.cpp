// The layer without exceptions and RTTI: everything that can fail answers with a result.
#include <aura.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <unistd.h>

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "this is to be compiled with -fno-exceptions -fno-rtti"
#endif

using namespace std::chrono_literals;

static void ensure(bool holds, const char *what) {
  if (!holds) {
    std::fprintf(stderr, "failed: %s\n", what);
    std::exit(1);
  }
}

static aura::Task<aura::result<ssize_t>> round_trip(aura::Engine &engine, int fd) {
  auto buffer = engine.try_allocate_buffer(4096);
  if (!buffer) {
    co_return buffer.why();
  }
  std::memset(buffer->data(), 'x', buffer->size());
  const auto written = co_await engine.try_write(fd, *buffer, 4096, 0);
  if (!written) {
    co_return written.why();
  }
  const auto synced = co_await engine.try_fsync(fd);
  if (!synced) {
    co_return synced.why();
  }
  co_return co_await engine.try_read(fd, *buffer, 100, 50);
}

static aura::Task<aura::result<ssize_t>> silence(aura::Engine &engine, int fd) {
  char byte;
  co_return co_await engine.try_read(fd, &byte, 1, 0);
}

int main() {
  ensure(aura::Engine::create(aura::Options().queue_depth(-1)).code() == EINVAL, "nonsense is refused");
  auto created = aura::Engine::create(aura::Options().ring_count(1).queue_depth(16));
  ensure(created.has_value(), "an engine");
  aura::Engine &engine = *created;
  char path[] = "/tmp/aura-XXXXXX";
  const int fd = ::mkstemp(path);
  ensure(fd >= 0 && ::unlink(path) == 0, "a file");

  ensure(aura::sync_wait(engine, round_trip(engine, fd)).value_or(0) == 100, "written and read");
  ensure(aura::sync_wait(engine, engine.try_read(-1, path, 1, 0)).code() == EINVAL, "bad arguments are told");

  int calls = 0;
  const auto request = engine.try_submit(aura::op::fsync(fd), [&](aura::Request &, ssize_t result) { calls += result == 0; });
  ensure(request.has_value() && engine.try_drain().has_value() && calls == 1, "a callback");

  int ends[2];
  ensure(::pipe(ends) == 0, "a pipe");
  ensure(aura::sync_wait(engine, aura::timeout(5ms, silence(engine, ends[0]))).code() == ETIMEDOUT, "a timeout");
  {
    aura::async_scope scope(engine);
    scope.spawn(silence(engine, ends[0]));
    scope.request_stop();
    aura::sync_wait(engine, scope.join());
  }
  const auto both = aura::sync_wait(engine, aura::when_all(round_trip(engine, fd), round_trip(engine, fd)));
  ensure(std::get<0>(both).has_value() && std::get<1>(both).has_value(), "two at a time");
  std::puts("ok");
}
