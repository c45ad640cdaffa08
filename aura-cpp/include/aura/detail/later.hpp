// Room for an object that is made later, or never.
#ifndef AURA_DETAIL_LATER_HPP
#define AURA_DETAIL_LATER_HPP

#include <aura/detail/config.hpp>

#include <memory>
#include <utility>

namespace aura::detail {

/// Unlike std::optional it does not know whether the object exists: its owner does.
template <typename T> union Later {
  Later() noexcept {}
  Later(const Later &) = delete;
  Later &operator=(const Later &) = delete;
  ~Later() {}

  template <typename... Arguments> T &make(Arguments &&...arguments) noexcept {
    return *std::construct_at(std::addressof(object_), std::forward<Arguments>(arguments)...);
  }
  void destroy() noexcept { std::destroy_at(std::addressof(object_)); }

  [[nodiscard]] T &operator*() noexcept { return object_; }

private:
  T object_;
};

} // namespace aura::detail

#endif
