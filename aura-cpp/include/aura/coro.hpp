// Coroutines: tasks, awaitables, and what combines them.
#ifndef AURA_CORO_HPP
#define AURA_CORO_HPP

#include <aura/awaitable.hpp>
#include <aura/engine.hpp>
#include <aura/executor.hpp>
#include <aura/file.hpp>
#include <aura/scope.hpp>
#include <aura/sync_wait.hpp>
#include <aura/task.hpp>
#include <aura/timeout.hpp>
#include <aura/when.hpp>

#endif
