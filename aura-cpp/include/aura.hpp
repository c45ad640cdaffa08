// Aura for C++20: self-tuning asynchronous file I/O, with callbacks and with coroutines.
//
//     aura::Engine engine;
//     aura::Buffer buffer = engine.allocate_buffer(4096);
//     ssize_t bytes = co_await engine.async_read(fd, buffer, 4096, 0);
//
// Header-only, over the C interface (aura.h, libaura). Needs C++20; without exceptions and RTTI it works, too. The
// manual: docs/cpp.md.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef AURA_HPP
#define AURA_HPP

#include <aura/buffer.hpp>
#include <aura/coro.hpp>
#include <aura/engine.hpp>
#include <aura/error.hpp>
#include <aura/fwd.hpp>
#include <aura/log.hpp>
#include <aura/options.hpp>
#include <aura/request.hpp>
#include <aura/result.hpp>
#include <aura/stats.hpp>

#endif
