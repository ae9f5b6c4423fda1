// The first version of a class; evolve_v2.cpp and evolve_v3.cpp read what it has saved.

#include <epic/epic.hpp>

using epic::Ref, epic::Task;

namespace evolve {

enum class Mood { calm, angry, asleep };
BOOST_DESCRIBE_ENUM(Mood, calm, angry, asleep)

struct Place {
  std::int16_t col = 0;
  std::int16_t row = 0;
  std::string note;
};
BOOST_DESCRIBE_STRUCT(Place, (), (col, row, note))

struct Report {
  std::int32_t score = 0;
  std::string by;
  Mood mood = Mood::calm;
};
BOOST_DESCRIBE_STRUCT(Report, (), (score, by, mood))

class Hero : public epic::Entity {
  std::int32_t score = 0;
  std::string team = "red";
  std::string nick;
  Mood mood = Mood::calm;
  Place home;
  std::vector<Place> seen;
  std::map<std::string, std::int32_t> bag;
  Ref<Hero> friend_;

 public:
  Task<void> begin(std::string name, std::int32_t points, Mood how, Ref<Hero> whom) {
    nick = name;
    score = points;
    mood = how;
    home = {.col = 3, .row = 4, .note = "by the sea"};
    seen = {home, {.col = 5, .row = 6, .note = ""}};
    bag = {{"coins", 7}};
    friend_ = whom;
    co_return;
  }
  Task<Report> train(std::int32_t points) {
    score += points;
    co_return Report{.score = score, .by = "v1", .mood = mood};
  }
  /// Calls the friend, wherever it is, in whatever version.
  Task<Report> train_friend(std::int32_t points) { co_return co_await friend_->train(points); }
  Task<std::string> version() const { co_return "v1"; }

  EPIC_ENTITY(Hero, state(score, team, nick, mood, home, seen, bag, friend_),
              methods(begin, train, train_friend, version), params(train, points))
};

/// Changes incompatibly in the next version.
class Vault : public epic::Entity {
  std::string gold;

 public:
  Task<void> put(std::string what) {
    gold = what;
    co_return;
  }
  Task<std::string> look() const { co_return gold; }
  EPIC_ENTITY(Vault, state(gold), methods(put, look))
};

}  // namespace evolve

EPIC_MODULE(epic::no_setup, evolve::Hero, evolve::Vault)
