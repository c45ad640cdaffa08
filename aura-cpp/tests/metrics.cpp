// What the engine counts as text, pushing it, and log messages to syslog.
#include "support.hpp"

#include <aura/metrics.hpp>
#include <aura/syslog.hpp>

#include <string>

TEST_CASE("the page for Prometheus has what was done") {
  aura::Engine engine;
  const Fd fd(::open("/proc/self/exe", O_RDONLY));
  aura::Buffer buffer = engine.allocate_buffer(4096);
  for (int i = 0; i < 3; i++) {
    static_cast<void>(engine.read(fd, buffer, 4096, 0, [](aura::Request &, ssize_t result) { CHECK(result == 4096); }));
  }
  engine.drain();
  const std::string page = aura::metrics_prometheus(engine);
  CHECK(page.find("\naura_io_operations_total{op=\"read\"} 3\n") != std::string::npos);
  CHECK(page.find("\naura_io_bytes_total{direction=\"read\"} 12288\n") != std::string::npos);
  CHECK(page.back() == '\n');
  const std::string request = aura::metrics_otel(engine);
  CHECK(request.starts_with("{\"resourceMetrics\":["));
  CHECK(request.ends_with("}"));
  CHECK(request.find("\"asInt\":\"12288\"") != std::string::npos);
}

TEST_CASE("a push that cannot be is an exception that names the endpoint") {
  const auto code = [](const char *endpoint, const char *body) {
    try {
      aura::otel_push(endpoint, body);
    } catch (const aura::Error &error) {
      CHECK(std::string(error.what()).find(endpoint) != std::string::npos);
      return error.code();
    }
    return 0;
  };
  CHECK(code("http://127.0.0.1:1/", "{}") == ECONNREFUSED);
  CHECK(code("https://127.0.0.1/", "{}") == EPROTONOSUPPORT);
  CHECK(code("nonsense", "{}") == EINVAL);
  CHECK(code("http://127.0.0.1:1/", "") == EINVAL);
}

TEST_CASE("syslog is installed with good options only") {
  aura::syslog_install({.ident = "cpp-suite", .facility = -1, .log_options = -1});
  aura::log_emit(aura::LogLevel::Info, "to syslog, if there is one");
  CHECK_THROWS_AS(aura::syslog_install({.ident = "x", .facility = 3, .log_options = -1}), aura::Error);
  aura::syslog_remove();
  aura::syslog_remove();
}
