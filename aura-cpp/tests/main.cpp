// Runs the tests, and says at the end what `cargo xtask test` understands.
#define DOCTEST_CONFIG_IMPLEMENT
#include "support.hpp"

#include <atomic>
#include <new>
#include <utility>

namespace {

std::atomic<long> counted{0};
thread_local bool must_fail = false;

// Not inlined: compilers would see malloc() meet operator delete, and warn.
[[gnu::noinline]] void *counting(std::size_t bytes) {
  counted.fetch_add(1, std::memory_order_relaxed);
  void *memory = std::exchange(must_fail, false) ? nullptr : std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

[[gnu::noinline]] void release(void *memory) noexcept { std::free(memory); }

} // namespace

void *operator new(std::size_t bytes) { return counting(bytes); }
void *operator new[](std::size_t bytes) { return counting(bytes); }
void operator delete(void *memory) noexcept { release(memory); }
void operator delete[](void *memory) noexcept { release(memory); }
void operator delete(void *memory, std::size_t) noexcept { release(memory); }
void operator delete[](void *memory, std::size_t) noexcept { release(memory); }

long allocations() { return counted.load(std::memory_order_relaxed); }
void fail_next_allocation() { must_fail = true; }

#if defined(AURA_TSAN)
/// The library itself is not instrumented: what it allocates on one thread and frees on another it hands over unseen.
extern "C" const char *__tsan_default_suppressions() { return "called_from_lib:libaura.so\n"; }
#endif

namespace {

/// The counts as cargo prints them.
struct Tally : doctest::IReporter {
  explicit Tally(const doctest::ContextOptions &) {}
  void report_query(const doctest::QueryData &) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats &stats) override {
    const unsigned failed = stats.numTestCasesFailed;
    std::printf("test result: %s. %u passed; %u failed; 0 ignored; 0 measured; 0 filtered out\n",
                failed == 0 ? "ok" : "FAILED", stats.numTestCasesPassingFilters - failed, failed);
  }
  void test_case_start(const doctest::TestCaseData &test) override {
    // A test that hangs ends the program; its name is the last thing printed. A million operations take their time.
    constexpr unsigned seconds = 240;
    ::alarm(std::getenv("AURA_TEST_OPERATIONS") == nullptr ? seconds : 10 * seconds);
    std::printf("test %s\n", test.m_name);
    std::fflush(stdout);
  }
  void test_case_reenter(const doctest::TestCaseData &) override {}
  void test_case_end(const doctest::CurrentTestCaseStats &) override { ::alarm(0); }
  void test_case_exception(const doctest::TestCaseException &) override {}
  void subcase_start(const doctest::SubcaseSignature &) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData &) override {}
  void log_message(const doctest::MessageData &) override {}
  void test_case_skipped(const doctest::TestCaseData &) override {}
};

} // namespace

REGISTER_LISTENER("tally", 1, Tally);

int main(int argc, char **argv) {
  doctest::Context context(argc, argv);
  if (under_valgrind()) {
    // It runs one thread at a time, and none while one sleeps in io_uring. The sanitizers have no such trouble.
    context.addFilter("test-suite-exclude", "threads");
  }
  return context.run();
}
