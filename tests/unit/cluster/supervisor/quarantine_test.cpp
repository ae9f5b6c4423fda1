#include "cluster/supervisor/quarantine.hpp"

#include <catch2/catch.hpp>

using namespace epic::cluster;
using namespace std::chrono_literals;

TEST_CASE("quarantine: an entity is put aside after three deaths within a minute", "[cluster]") {
  Quarantine quarantine;
  const Quarantine::Time start{1h};
  CHECK_FALSE(quarantine.on_death("Bomb/x", "poke", start));
  CHECK_FALSE(quarantine.on_death("Bomb/y", "poke", start));
  CHECK_FALSE(quarantine.on_death("Bomb/x", "poke", start + 40s));
  CHECK_FALSE(quarantine.on_death("Bomb/x", "poke", start + 61s));  // the first is too long ago
  CHECK(quarantine.list(start + 61s).empty());
  const auto entry = quarantine.on_death("Bomb/x", "poke", start + 70s);
  REQUIRE(entry);
  CHECK(entry->deaths == 4);
  CHECK(entry->left == 10s);
  REQUIRE(quarantine.list(start + 79500ms).size() == 1);
  CHECK(quarantine.list(start + 79500ms).front().left == 1s);
  CHECK(quarantine.list(start + 80s).empty());
}

TEST_CASE("quarantine: the time that a turn has blocked a node does not count", "[cluster]") {
  Quarantine quarantine;
  const Quarantine::Time start{1h};
  CHECK_FALSE(quarantine.on_death("Bomb/x", "loop", start + 30s, 30s));
  CHECK_FALSE(quarantine.on_death("Bomb/x", "loop", start + 65s, 30s));
  CHECK(quarantine.on_death("Bomb/x", "loop", start + 100s, 30s));
  CHECK_FALSE(quarantine.on_death("Bomb/y", "loop", start + 230s, 120s));
  CHECK_FALSE(quarantine.on_death("Bomb/y", "loop", start + 360s, 120s));
  CHECK(quarantine.on_death("Bomb/y", "loop", start + 490s, 120s));
  CHECK_FALSE(quarantine.on_death("Bomb/z", "loop", start + 600s, 10s));
  CHECK_FALSE(quarantine.on_death("Bomb/z", "loop", start + 645s, 10s));
  CHECK_FALSE(quarantine.on_death("Bomb/z", "loop", start + 690s, 10s));
}

TEST_CASE("quarantine: each further death doubles the time, up to an hour", "[cluster]") {
  Quarantine quarantine;
  Quarantine::Time now{1h};
  for (int i = 0; i < 2; ++i) CHECK_FALSE(quarantine.on_death("Bomb/x", "poke", now));
  std::vector<std::chrono::seconds> waits;
  for (int i = 0; i < 11; ++i) {
    const auto entry = quarantine.on_death("Bomb/x", "poke", now);
    REQUIRE(entry);
    waits.push_back(entry->left);
    now += entry->left + 1s;
  }
  CHECK(waits == std::vector<std::chrono::seconds>{10s, 20s, 40s, 80s, 160s, 320s, 640s, 1280s, 2560s, 3600s, 3600s});
}

TEST_CASE("quarantine: after a long time without a death, and when it is released, an entity begins afresh",
          "[cluster]") {
  Quarantine quarantine;
  Quarantine::Time now{1h};
  const auto put_aside = [&] {
    CHECK_FALSE(quarantine.on_death("Bomb/x", "poke", now));
    CHECK_FALSE(quarantine.on_death("Bomb/x", "poke", now));
    const auto entry = quarantine.on_death("Bomb/x", "poke", now);
    REQUIRE(entry);
    CHECK(entry->left == 10s);
    CHECK(entry->deaths == 3);
  };
  put_aside();
  now += 2h;
  put_aside();
  CHECK(quarantine.release("Bomb/x"));
  CHECK(quarantine.list(now).empty());
  put_aside();
  CHECK_FALSE(quarantine.release("Bomb/y"));
}
