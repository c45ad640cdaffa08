// Many threads, many stops, long chains, and what none of it may cost.
#include "support.hpp"

#include <atomic>
#include <functional>
#include <stop_token>
#include <thread>

using namespace aura;

namespace {

long repetitions(long many) {
  const char *wanted = std::getenv("AURA_TEST_OPERATIONS");
  return wanted != nullptr ? std::atol(wanted) : is_slow() ? many / 20 : many;
}

} // namespace

TEST_CASE("stop against completion: every operation ends once" * doctest::test_suite("threads")) {
  const long races = repetitions(100000);
  Engine engine(small());
  const Fd file(scratch_file(4096));
  const Silence pipe;
  std::atomic<std::stop_source *> victim = nullptr;
  std::atomic<bool> over = false, is_stopping = false, is_of_pipe = false;
  std::thread stopper([&] {
    while (!over) {
      is_stopping = true; // First: whoever finds no victim any more knows whether to wait.
      if (std::stop_source *source = victim.exchange(nullptr)) {
        const bool writes = is_of_pipe;
        source->request_stop();
        if (writes) {
          CHECK(::write(pipe.writing(), "x", 1) == 1); // At the same time as the cancellation.
        }
      }
      is_stopping = false;
    }
  });
  long ended = 0, cancelled = 0;
  sync_wait(engine, [&]() -> Task<> {
    char bytes[64] = {};
    for (long i = 0; i < races; i++) {
      std::stop_source source;
      const bool of_pipe = i % 4 == 0; // Which does not end by itself, and so takes more time.
      is_of_pipe = of_pipe;
      victim = &source;
      const auto read = co_await engine.try_read(of_pipe ? pipe.reading() : file, bytes, sizeof bytes, 0, source.get_token());
      CHECK_MESSAGE((read.code() == ECANCELED || read.value_or(0) == 64 || (of_pipe && read.value_or(0) > 0)), read.code());
      ended++;
      cancelled += read.code() == ECANCELED;
      if (victim.exchange(nullptr) == nullptr) {
        while (is_stopping) { // The other thread has it.
        }
      }
    }
  }());
  over = true;
  stopper.join();
  CHECK(ended == races);
  MESSAGE(cancelled, " of ", races, " were cancelled");
}

TEST_CASE("coroutines of several threads, completed on one, at the limit" * doctest::test_suite("threads")) {
  const int rounds = static_cast<int>(repetitions(2000));
  Engine engine(small(8));
  const Fd file(scratch_file(4096));
  std::thread poller([&] { engine.run(); });
  std::atomic<long> done = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; t++) {
    threads.emplace_back([&] {
      std::vector<Task<>> tasks;
      for (int i = 0; i < 20; i++) {
        tasks.push_back([](Engine &io, int fd, int times, std::atomic<long> &count) -> Task<> {
          char bytes[16] = {};
          for (int round = 0; round < times; round++) {
            count += co_await io.async_read(fd, bytes, sizeof bytes, 0) == 16;
          }
        }(engine, file, rounds / 20, done));
      }
      sync_wait(when_all(std::move(tasks)));
    });
  }
  for (std::thread &thread : threads) {
    thread.join();
  }
  engine.stop();
  poller.join();
  CHECK(done == 3L * 20 * (rounds / 20));
}

TEST_CASE("several threads stop and complete at the limit" * doctest::test_suite("threads")) {
  const int rounds = static_cast<int>(repetitions(2000));
  Engine engine(small(2));
  const Fd file(scratch_file(4096));
  std::thread poller([&] { engine.run(); });
  std::vector<std::thread> threads;
  std::atomic<long> ended = 0;
  for (int t = 0; t < 3; t++) {
    threads.emplace_back([&] {
      for (int i = 0; i < rounds; i++) {
        std::stop_source source;
        auto reads = [](Engine &io, int fd, std::stop_token stop, std::atomic<long> &count) -> Task<> {
          char byte = 0;
          static_cast<void>(co_await io.try_read(fd, &byte, 1, 0, stop));
          count++;
        };
        auto stops = [](std::stop_source &which) -> Task<> {
          which.request_stop();
          co_return;
        };
        sync_wait(when_all(reads(engine, file, source.get_token(), ended), reads(engine, file, source.get_token(), ended), stops(source)));
      }
    });
  }
  for (std::thread &thread : threads) {
    thread.join();
  }
  engine.stop();
  poller.join();
  CHECK(ended == 2L * 3 * rounds);
}

TEST_CASE("awaits that complete at once do not grow the stack") {
  const long awaits = 1000000;
  Engine engine(small());
  const auto total = sync_wait(engine, [](Engine &io, long times) -> Task<long> {
    long sum = 0;
    const auto one = []() -> Task<long> { co_return 1; };
    for (long i = 0; i < times; i++) {
      sum += co_await one();
      sum += (co_await io.try_close(-1)).code() == EINVAL;
    }
    co_return sum;
  }(engine, awaits));
  CHECK(total == 2 * awaits);
}

#if defined(AURA_TEST_TAIL_CALLS)
TEST_CASE("a chain of tasks, each awaiting the next, does not grow the stack") {
  struct Chain {
    static Task<long> link(long left) {
      if (left == 0) {
        co_return 0;
      }
      co_return 1 + co_await link(left - 1);
    }
  };
  auto chain = Chain::link(1000000);
  chain.resume();
  CHECK(chain.get() == 1000000);
}
#endif

TEST_CASE("no operation allocates: neither awaited nor with a small callback") {
  Engine engine(small(8));
  const Fd file(scratch_file(4096));
  long before = 0, after = 0;
  sync_wait(engine, [&]() -> Task<> {
    char bytes[16] = {};
    co_await engine.async_read(file, bytes, 16, 0);
    before = allocations();
    for (int i = 0; i < 1000; i++) {
      co_await engine.async_read(file, bytes, 16, 0);
      static_cast<void>(co_await engine.try_write(file, bytes, 16, 0));
      co_await engine.async_fdatasync(file);
    }
    after = allocations();
  }());
  CHECK(after == before);

  struct Captures {
    long *sum;
    long padding[5];
  };
  static_assert(sizeof(Captures) == 48);
  char byte = 0;
  long sum = 0;
  before = allocations();
  for (int i = 0; i < 1000; i++) {
    auto read = engine.read(file, &byte, 1, 0, [captured = Captures{&sum, {}}](Request &, ssize_t r) { *captured.sum += r; });
    CHECK(read);
    engine.drain();
  }
  after = allocations();
  CHECK((sum == 1000 && after == before));
}
