// What the nodes load: the entity classes, and the code that runs once per `epic run`.

#include <epic/epic.hpp>

#include "counter.hpp"

// Runs again on another node if its node dies before it returns, so it must be safe to repeat.
epic::Task<void> setup(epic::Pool pool) {
  const auto value = co_await pool.get<Counter>("hello")->get();
  epic::log::info("Hello! Counter/hello is at {}.", value);
}

EPIC_MODULE(setup, Counter)
