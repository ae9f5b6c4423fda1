// The second version of evolve_v1.cpp, with every kind of change that can be read.

#include <epic/epic.hpp>

using epic::Ref, epic::Task;

namespace evolve {

enum class Mood { asleep, gleeful, calm, angry };  // other numbers, and a new value
BOOST_DESCRIBE_ENUM(Mood, asleep, gleeful, calm, angry)

struct Place {
  std::int32_t column = 0;  // renamed and widened
  std::int16_t row = 0;
  double height = 1.5;  // new; note is removed
};
BOOST_DESCRIBE_STRUCT(Place, (), (column, row, height))
EPIC_RENAMED(Place, (col, column))

struct Report {
  Mood mood = Mood::asleep;
  std::int64_t score = 0;         // widened, like the points below: nodes of the first version read what fits
  std::optional<std::string> by;  // made optional: they also read the value in it
  bool is_long = false;
};
BOOST_DESCRIBE_STRUCT(Report, (), (mood, score, by, is_long))

class Knight : public epic::Entity {
  std::int64_t score = 0;           // widened
  std::optional<std::string> nick;  // made optional
  Mood mood = Mood::asleep;
  Place home;
  std::vector<Place> seen;
  std::map<std::string, std::int64_t> bag;
  Ref<Knight> ally;  // renamed
  std::uint16_t level = 1;
  std::string last_reason;

 public:
  Task<Report> train(std::string reason, std::int64_t points, bool is_long) {
    score += points;
    last_reason = reason;
    co_return Report{.mood = mood, .score = score, .by = "v2", .is_long = is_long || !reason.empty()};
  }
  Task<Report> train_friend(std::int64_t points) { co_return co_await ally->train("", points, false); }
  Task<std::string> version() const { co_return "v2"; }
  Task<std::string> only_in_v2() { co_return "v2"; }
  Task<std::string> ask_friend() { co_return co_await ally->only_in_v2(); }

  EPIC_ENTITY(Knight, named("Knight", formerly("Hero")),
              state(score, nick, mood, home, seen, bag, ally, level, last_reason), renamed(friend_, ally),
              methods(train, train_friend, version, only_in_v2, ask_friend), params(train, reason, points, is_long))
};

class Vault : public epic::Entity {
  std::int64_t gold = 0;

 public:
  Task<void> put(std::int64_t what) {
    gold = what;
    co_return;
  }
  Task<std::int64_t> look() const { co_return gold; }
  EPIC_ENTITY(Vault, state(gold), methods(put, look))
};

}  // namespace evolve

EPIC_MODULE(epic::no_setup, evolve::Knight, evolve::Vault)
