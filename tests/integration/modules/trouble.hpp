#pragma once
// Entities whose calls go wrong in every way that must stay their own affair: they kill their node, wait in a chain
// that is too long, throw or return too much, or queue in thousands.

#include <cstdint>
#include <cstdlib>
#include <epic/epic.hpp>
#include <stdexcept>
#include <string>

namespace trouble {

/// Kills its node.
class Poison : public epic::Entity {
 public:
  epic::Task<void> drink() {
    std::abort();
    co_return;
  }
  EPIC_ENTITY(Poison, methods(drink), transient)
};

class Link : public epic::Entity {
 public:
  /// Calls the next one, until `left` calls wait for each other.
  epic::Task<std::int64_t> pull(std::int64_t left) const {
    if (left <= 1) co_return 1;
    co_return 1 + co_await epic::Ref<Link>(left - 1)->pull(left - 1);
  }
  EPIC_ENTITY(Link, methods(pull), transient)
};

class Bulk : public epic::Entity {
 public:
  epic::Task<void> fail(std::uint64_t bytes) const {
    throw std::runtime_error(std::string(bytes, 'x'));
    co_return;
  }
  epic::Task<std::string> give(std::uint64_t bytes) const { co_return std::string(bytes, 'x'); }
  EPIC_ENTITY(Bulk, methods(fail, give), transient)
};

/// One call at a time; the others wait.
class Turnstile : public epic::Entity {
  std::int64_t passed_ = 0;

 public:
  epic::Task<std::int64_t> pass() { co_return ++passed_; }
  EPIC_ENTITY(Turnstile, exclusive(pass), transient)
};

}  // namespace trouble
