// Cancelling: a request by its name, an awaited operation by a stop token, and a task by giving it up.
#include "support.hpp"

#include <chrono>
#include <thread>

using namespace std::chrono_literals;

static aura::Task<ssize_t> wait_for_byte(aura::Engine &engine, int fd, std::stop_token stop = {}) {
  char byte;
  co_return co_await engine.async_read(fd, &byte, 1, 0, stop);
}

int main() {
  return example([] {
    int pipe[2]; // Nobody writes to it: reads of it wait for ever.
    ensure(::pipe(pipe) == 0, "a pipe");
    aura::Engine engine;

    char byte;
    ssize_t result = 0;
    auto request = engine.read(pipe[0], &byte, 1, 0, [&](aura::Request &, ssize_t bytes) { result = bytes; });
    ensure(engine.cancel(request), "asking for it");
    engine.drain();
    std::printf("a request: %zd\n", result);
    ensure(result == -ECANCELED, "the callback is told");

    std::stop_source source;
    std::thread impatient([&] {
      std::this_thread::sleep_for(10ms);
      source.request_stop();
    });
    try {
      aura::sync_wait(engine, wait_for_byte(engine, pipe[0], source.get_token()));
      ensure(false, "nobody writes");
    } catch (const aura::Error &error) {
      std::printf("a stop token: %s\n", error.what());
      ensure(error.is_cancelled(), "the coroutine is told");
    }
    impatient.join();

    {
      auto task = wait_for_byte(engine, pipe[0]);
      task.resume();
      engine.poll();
    } // The task is destroyed: its operation is cancelled and waited for.
    ensure(engine.pending_count() == 0, "nothing is left in flight");
    std::printf("a task given up: nothing is left in flight\n");
    ::close(pipe[0]);
    ::close(pipe[1]);
  });
}
