// Coroutines: tasks, awaitables, and what combines them.
#ifndef AURA_CORO_HPP
#define AURA_CORO_HPP

#include <aura/awaitable.hpp>
#include <aura/engine.hpp>
#include <aura/task.hpp>

#endif
