// Names of the C++ layer, for headers that need no more.
#ifndef AURA_FWD_HPP
#define AURA_FWD_HPP

namespace aura {

class Buffer;
class BufferRef;
class BufferStats;
class Engine;
class Error;
class Histogram;
class Options;
class Request;
class RingStats;
class Stats;
class async_scope;

enum class LogLevel;
enum class RingSelect;

template <typename T = void> class Task;
template <typename T> class result;

namespace detail {

struct TaskAccess;

} // namespace detail

} // namespace aura

#endif
