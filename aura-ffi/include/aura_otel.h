/*
 * aura_otel.h - the metrics of an engine as an OpenTelemetry export request.
 *
 * The request is OTLP in its JSON encoding, the body of a POST to /v1/metrics: by aura_otel_push()
 * (aura_otel_push.h), or by whatever HTTP client the program has.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AURA_OTEL_H
#define AURA_OTEL_H

#include <aura.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The version of the metrics' names and meanings; changes when one of them does. */
#define AURA_OTEL_SCHEMA_VERSION "v0"
/** How much that version is to be relied upon. */
#define AURA_OTEL_SCHEMA_STABILITY "experimental"

/* ---- Metrics for OpenTelemetry ------------------------------------------------------------------- */

/**
 * Renders everything that the engine counts as an ExportMetricsServiceRequest in JSON. Counters and
 * histograms are cumulative since the engine was created. From any thread at any time; holds up no
 * operation.
 *
 * The text ends with a NUL, as with aura_metrics_prometheus().
 *
 * @param buf       Receives the text. May be NULL if buf_size is 0, to ask for the size.
 * @param buf_size  Bytes of buf.
 * @return  Bytes of the text. If buf is too small the negative of the size it needs now, with errno ENOBUFS,
 *          and buf holds an empty string if anything. -1 with EINVAL: no engine, or NULL with a size.
 */
AURA_API int aura_metrics_otel(const aura_engine_t *engine, char *buf, size_t buf_size);

#ifdef __cplusplus
}
#endif

#endif /* AURA_OTEL_H */
