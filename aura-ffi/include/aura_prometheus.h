/*
 * aura_prometheus.h - the metrics of an engine as a page for Prometheus.
 *
 * No socket and no thread: the page goes into the caller's buffer, and from there wherever the program
 * serves it. What each metric means: docs/observability.md.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AURA_PROMETHEUS_H
#define AURA_PROMETHEUS_H

#include <aura.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The version of the metrics' names and meanings; changes when one of them does. */
#define AURA_PROMETHEUS_SCHEMA_VERSION "v0"
/** How much that version is to be relied upon. */
#define AURA_PROMETHEUS_SCHEMA_STABILITY "experimental"
/** The Content-Type of the page. */
#define AURA_PROMETHEUS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* ---- Metrics for Prometheus ---------------------------------------------------------------------- */

/**
 * Renders everything that the engine counts, in the text format of Prometheus (0.0.4). From any thread at
 * any time; holds up no operation.
 *
 * The page ends with a NUL, which is not counted in the result but needs its byte of the buffer. Counters
 * go on meanwhile, and a larger number is a longer text: ask, allocate, and be ready to be told a larger
 * size.
 *
 * @param buf       Receives the page. May be NULL if buf_size is 0, to ask for the size.
 * @param buf_size  Bytes of buf.
 * @return  Bytes of the page. If buf is too small the negative of the size it needs now, with errno ENOBUFS,
 *          and buf holds an empty string if anything. -1 with EINVAL: no engine, or NULL with a size.
 */
AURA_API int aura_metrics_prometheus(const aura_engine_t *engine, char *buf, size_t buf_size);

#ifdef __cplusplus
}
#endif

#endif /* AURA_PROMETHEUS_H */
