// The third version of evolve_v1.cpp: it reads what either earlier version has saved.

#include <epic/epic.hpp>

using epic::Ref, epic::Task;

namespace evolve {

enum class Mood { gleeful, asleep, angry, calm };
BOOST_DESCRIBE_ENUM(Mood, gleeful, asleep, angry, calm)

struct Place {
  std::int64_t x = 0;  // renamed again
  std::int32_t row = 0;
  double height = 1.5;
};
BOOST_DESCRIBE_STRUCT(Place, (), (x, row, height))
EPIC_RENAMED(Place, (col, x), (column, x))

struct Report {
  std::int64_t score = 0;
  std::string by;
  Mood mood = Mood::asleep;
};
BOOST_DESCRIBE_STRUCT(Report, (), (score, by, mood))

class Player : public epic::Entity {
  std::int64_t points = 0;  // renamed
  std::optional<std::string> nick;
  Mood mood = Mood::asleep;
  Place home;
  std::vector<Place> seen;
  std::map<std::string, std::optional<std::int64_t>> bag;
  Ref<Player> ally;
  std::int32_t level = 1;  // widened

 public:
  Task<Report> train(std::int64_t points_more, std::string reason) {
    points += points_more;
    co_return Report{.score = points, .by = "v3" + reason, .mood = mood};
  }
  Task<Report> train_friend(std::int64_t by) { co_return co_await ally->train(by, ""); }
  Task<std::string> version() const { co_return "v3"; }

  EPIC_ENTITY(Player, named("Player", formerly("Knight"), formerly("Hero")),
              state(points, nick, mood, home, seen, bag, ally, level), renamed(friend_, ally), renamed(score, points),
              methods(train, train_friend, version), params(train, points, reason))
};

class Vault : public epic::Entity {
  std::string gold;  // as in the first version

 public:
  Task<void> put(std::string what) {
    gold = what;
    co_return;
  }
  Task<std::string> look() const { co_return gold; }
  EPIC_ENTITY(Vault, state(gold), methods(put, look))
};

}  // namespace evolve

EPIC_MODULE(epic::no_setup, evolve::Player, evolve::Vault)
