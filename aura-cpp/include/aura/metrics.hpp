// What an engine counts, for Prometheus and OpenTelemetry. Not part of aura.hpp: include it where it is used.
//
//     std::string page = aura::metrics_prometheus(engine);  // Serve it under /metrics.
//     aura::otel_push("http://localhost:4318/v1/metrics", aura::metrics_otel(engine));
//
// What each metric means: docs/observability.md.
#ifndef AURA_METRICS_HPP
#define AURA_METRICS_HPP

#include <aura/engine.hpp>
#include <aura/error.hpp>

#include <aura_otel.h>
#include <aura_otel_push.h>
#include <aura_prometheus.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>

namespace aura {

namespace detail {

/// Asks for the size until the text fits: a counter may grow by a digit meanwhile.
inline std::string rendered(const Engine &engine, int (*render)(const aura_engine_t *, char *, std::size_t), const char *what) {
  std::string text;
  // The final NUL of a string's memory is the string's own, and may be overwritten with a NUL.
  int length = render(engine.handle(), nullptr, 0);
  while (length < 0 && errno == ENOBUFS) {
    text.resize(static_cast<std::size_t>(-length) - 1);
    length = render(engine.handle(), text.data(), text.size() + 1);
  }
  check(length >= 0, what);
  text.resize(static_cast<std::size_t>(length));
  return text;
}

} // namespace detail

/// The page for Prometheus; its Content-Type is AURA_PROMETHEUS_CONTENT_TYPE. From any thread.
/// @throws Error
[[nodiscard]] inline std::string metrics_prometheus(const Engine &engine) {
  return detail::rendered(engine, aura_metrics_prometheus, "aura_metrics_prometheus");
}

/// The body of an OTLP request in JSON. From any thread.
/// @throws Error
[[nodiscard]] inline std::string metrics_otel(const Engine &engine) {
  return detail::rendered(engine, aura_metrics_otel, "aura_metrics_otel");
}

/// Posts a request to a collector, over plain HTTP, and waits for its answer for ten seconds at most: not for the
/// thread that processes completions.
/// @param endpoint  http://host[:port][/path]
/// @return The status of the answer: 200 is success.
/// @throws Error if there was no answer; aura_otel_push() has the list.
inline int otel_push(const std::string &endpoint, std::string_view body) {
  const int status = aura_otel_push(endpoint.c_str(), body.data(), body.size());
  check(status >= 0, endpoint);
  return status;
}

} // namespace aura

#endif
