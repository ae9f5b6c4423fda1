#include "io/turn_watch.hpp"

#include <catch2/catch.hpp>

using epic::io::TurnWatch;

namespace {

struct TurnWatchFixture {
  int reports = 0;
  std::int64_t reported_ns = 0;
  TurnWatch watch{1000, [this](const std::string&, const std::string&, std::int64_t turn_ns) {
                    ++reports;
                    reported_ns = turn_ns;
                  }};
};

}  // namespace

TEST_CASE("turn watch: between turns nothing is in progress", "[io]") {
  TurnWatchFixture f;
  CHECK(f.watch.look(10) == 0);
  f.watch.counter().begin();
  f.watch.counter().end();
  CHECK(f.watch.look(1'000'000) == 0);
  CHECK(f.reports == 0);
}

TEST_CASE("turn watch: a turn's age counts from the check that first saw it", "[io]") {
  TurnWatchFixture f;
  f.watch.counter().begin();
  CHECK(f.watch.look(100) == 0);
  CHECK(f.watch.look(600) == 500);
  f.watch.counter().end();
  f.watch.counter().begin();
  CHECK(f.watch.look(700) == 0);
  CHECK(f.reports == 0);
}

TEST_CASE("turn watch: a long turn is reported once", "[io]") {
  TurnWatchFixture f;
  f.watch.counter().begin();
  f.watch.look(100);
  f.watch.look(1200);  // asks the thread whose turn it is
  CHECK(f.watch.look(1300) == 1200);
  f.watch.look(9000);
  CHECK(f.reports == 1);
  CHECK(f.reported_ns == 1200);
  f.watch.counter().end();
  f.watch.counter().begin();
  f.watch.look(10'000);
  f.watch.look(11'500);
  f.watch.look(11'600);
  CHECK(f.reports == 2);
}
