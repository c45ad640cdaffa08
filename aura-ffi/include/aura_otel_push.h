/*
 * aura_otel_push.h - sends what aura_metrics_otel() renders to a collector.
 *
 * Plain HTTP, for a collector on the same machine or network; what leaves it goes through that collector,
 * which speaks TLS.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AURA_OTEL_PUSH_H
#define AURA_OTEL_PUSH_H

#include <aura.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Milliseconds that aura_otel_push() takes at most, looking the host's name up apart. */
#define AURA_OTEL_PUSH_TIMEOUT_MS 10000

/* ---- Pushing to an OpenTelemetry collector ------------------------------------------------------- */

/**
 * Posts a request to a collector and waits for its answer: not for the thread that processes completions.
 * From any thread.
 *
 * Whether it works is logged when that changes, not each time.
 *
 * @param endpoint  http://host:port/path; port and path may be left out. An IPv6 address is in brackets;
 *                  without a port it is 80, without a path /v1/metrics. Collectors listen on port 4318.
 * @param buf       The body, JSON.
 * @param len       Bytes of it.
 * @return  The status of the answer: 200 is success; 4xx and 5xx are refusals. -1 if there was none. EINVAL:
 *          NULL, no body, or no such endpoint; EPROTONOSUPPORT: it is not http; EHOSTUNREACH: the host has
 *          no address; ETIMEDOUT; EPROTO: the answer is not HTTP; ECONNREFUSED and others of connect(2),
 *          send(2) and recv(2).
 */
AURA_API int aura_otel_push(const char *endpoint, const char *buf, size_t len);

#ifdef __cplusplus
}
#endif

#endif /* AURA_OTEL_PUSH_H */
