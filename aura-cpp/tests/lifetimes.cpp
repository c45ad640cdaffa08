// What ends while something else still knows of it: alarms, scopes, log handlers; and what starts without memory.
#include "support.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <new>
#include <string_view>
#include <thread>

using namespace aura;
using namespace std::chrono_literals;

namespace {

Task<int> synced(Engine &engine, int fd) {
  co_await engine.async_fsync(fd);
  co_return 1;
}

Task<void> nothing() { co_return; }

} // namespace

TEST_CASE("a timeout that is not needed leaves nothing behind, however long it is") {
  Engine engine(small());
  const Fd file(scratch_file());
  for (int repetition = 0; repetition < 10; repetition++) {
    CHECK(sync_wait(engine, timeout(1h, synced(engine, file))) == 1);
    std::this_thread::sleep_for(1ms); // The clock goes on waiting for an alarm that is gone.
  }
  CHECK(sync_wait(engine, timeout(std::chrono::hours::max(), synced(engine, file))) == 1);
  CHECK(sync_wait(engine, timeout(std::chrono::nanoseconds::max(), synced(engine, file))) == 1);
  const Silence silence;
  std::byte byte{};
  auto reading = [&]() -> Task<ssize_t> { co_return co_await engine.async_read(silence.reading(), &byte, 1, 0); };
  CHECK(thrown([&] { static_cast<void>(sync_wait(engine, timeout(std::chrono::hours::min(), reading()))); }) == ETIMEDOUT);
}

TEST_CASE("a task that cannot be started for want of memory is not waited for") {
  if (under_valgrind()) {
    std::fputs("SKIP: valgrind's operator new takes the place of the one that fails on demand\n", stderr);
    return;
  }
  Engine engine(small());
  async_scope scope(engine);
  Task<void> task = nothing();
  bool is_refused = false;
  fail_next_allocation();
  try {
    scope.spawn(std::move(task));
  } catch (const std::bad_alloc &) {
    is_refused = true;
  }
  CHECK(is_refused);
  REQUIRE(scope.running() == 0); // Otherwise its destructor waits for ever.
}

TEST_CASE("log handlers replace themselves while others replace them") {
  std::atomic<int> inside = 0, replaced = 0;
  set_log_handler([&](LogLevel, std::string_view) {
    inside++;
    while (replaced == 0) {
      std::this_thread::sleep_for(1ms);
    }
    std::this_thread::sleep_for(20ms); // The other is waiting for this one to return.
    set_log_handler([&](LogLevel, std::string_view) { replaced += 10; });
  });
  std::thread logging([] { log_emit(LogLevel::Info, "the first handler gets this"); });
  while (inside == 0) {
    std::this_thread::sleep_for(1ms);
  }
  std::thread other([&] {
    replaced++;
    set_log_handler([&](LogLevel, std::string_view) { replaced += 100; });
  });
  logging.join();
  other.join();
  replaced = 0;
  log_emit(LogLevel::Info, "whichever was set last gets this");
  CHECK(replaced > 0);
  clear_log_handler();
}
