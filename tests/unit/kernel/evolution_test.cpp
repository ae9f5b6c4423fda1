// How the kernel uses a class's names and its parameters' names.

#include <catch2/catch.hpp>

#include <boost/describe/class.hpp>

#include "codec/capnp_codec.hpp"
#include "codec/json_codec.hpp"
#include "epic/epic.hpp"
#include "kernel/placement.hpp"
#include "kernel/type_table.hpp"
#include "reflect/schema_of.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using Catch::Matchers::Contains;
using epic::kernel::TypeTable;
using epic::test::SimFabric;

namespace {

namespace v1 {
struct Member {
  bool is_active = true;
};
BOOST_DESCRIBE_STRUCT(Member, (), (is_active))

class Hero : public Entity {
  std::int32_t score = 0;

 public:
  Task<void> train(std::int32_t points, std::string why) {
    score += points + static_cast<std::int32_t>(why.size());
    co_return;
  }
  Task<void> rest(std::int32_t hours) {
    score += hours;
    co_return;
  }
  EPIC_ENTITY(Hero, state(score), methods(train, rest), params(train, points, why))
};
}  // namespace v1

namespace v2 {
class Player : public Entity {
  std::int32_t score = 0;
  std::vector<Ref<Player>> friends;

 public:
  Task<void> train(bool is_hard, std::string why, std::int64_t points) {
    score += static_cast<std::int32_t>(points) * (is_hard ? 2 : 1) + static_cast<std::int32_t>(why.size());
    log::info("trained");
    co_return;
  }
  Task<void> rest(std::int64_t hours, bool is_deep) {
    score += static_cast<std::int32_t>(hours) + (is_deep ? 1 : 0);
    co_return;
  }
  Task<std::int32_t> get() const { co_return score; }
  Task<void> befriend(std::string whom) {
    if (!friends.emplace_back().try_assign_name(whom)) throw std::invalid_argument(whom);
    co_return;
  }
  Task<std::string> first_friend() const { co_return std::string(friends.at(0).name()); }
  Task<void> fail() {
    throw std::runtime_error("no");
    co_return;
  }

  EPIC_ENTITY(Player, named("Player", formerly("Knight"), formerly("Hero")), state(score, friends),
              methods(train, rest, get, befriend, first_friend, fail), params(train, is_hard, why, points),
              params(rest, hours, is_deep))
};

class Captain : public Player {
 public:
  EPIC_ENTITY(Captain, base(Player))
};

/// Back to its first name.
class Hero : public Entity {
 public:
  EPIC_ENTITY(Hero, named("Hero", formerly("Soldier"), formerly("Hero")))
};

/// `is_active` replaces `is_suspended`: the same bytes mean something else.
class Member : public Entity {
  bool is_suspended = false;

 public:
  Task<void> suspend() {
    is_suspended = true;
    co_return;
  }
  Task<bool> get() const { co_return is_suspended; }
  EPIC_ENTITY(Member, state(is_suspended), methods(suspend, get))
};

/// Its method `rest` has another name.
class Sleeper : public Entity {
  std::int32_t score = 0;

 public:
  Task<void> sleep(std::int32_t hours) {
    score += hours;
    co_return;
  }
  Task<void> train(std::int32_t, std::string) { co_return; }
  EPIC_ENTITY(Sleeper, named("Sleeper", formerly("Hero")), state(score), methods(sleep, train), renamed(rest, sleep))
};

class Forgetful : public Entity {
 public:
  Task<void> walk() { co_return; }
  EPIC_ENTITY(Forgetful, methods(walk), renamed(run, jog))
};

class Undecided : public Entity {
 public:
  Task<void> walk() { co_return; }
  Task<void> run() { co_return; }
  EPIC_ENTITY(Undecided, methods(walk, run), renamed(run, walk))
};

class Merged : public Entity {
 public:
  Task<void> walk() { co_return; }
  Task<void> run() { co_return; }
  EPIC_ENTITY(Merged, methods(walk, run), renamed(move, walk), renamed(move, run))
};

class Careless : public Entity {
 public:
  Task<void> move(int) { co_return; }
  EPIC_ENTITY(Careless, params(move, distance))
};
}  // namespace v2

template <class... T>
ModuleInfo module_of() {
  static constexpr EntityInfoFn kEntities[] = {&T::epic_info...};
  return {.abi_tag = EPIC_ABI_TAG, .entities = kEntities, .setup = nullptr};
}

struct EvolutionFixture {
  ModuleInfo module = module_of<v2::Player>();
  codec::CapnpCodec codec;
  SimFabric fabric{{.seed = 7}, module, codec};

  Ref<v2::Player> called(const std::string& name) {
    Ref<v2::Player> ref;
    REQUIRE(ref.try_assign_name(name));
    return ref;
  }
};

const reflect::MethodInfo& method_of(const reflect::EntityInfo& info, std::string_view name) {
  const reflect::MethodInfo* method = info.find_method(name);
  REQUIRE(method != nullptr);
  return *method;
}

/// The arguments of `from`, given as JSON, as read by a node that has `to`.
boost::json::value carried(const reflect::MethodInfo& from, const reflect::MethodInfo& to,
                           const boost::json::array& given) {
  const kernel::RecordRef sent(from.make_record());
  REQUIRE(codec::arguments_from_json(given, from.arguments(), sent->arguments()));
  std::vector<std::byte> bytes;
  codec::CapnpCodec().encode(from.arguments(), sent->arguments(), bytes);
  const auto schema = reflect::Schema::parse(reflect::schema_of(from.arguments()).text());
  REQUIRE(schema);
  const kernel::RecordRef received(to.make_record());
  const auto read = codec::CapnpCodec().decode_sent(bytes, *schema, to.arguments(), received->arguments());
  REQUIRE(read);
  return codec::to_json(to.arguments(), received->arguments());
}

}  // namespace

TEST_CASE("names: an entity is one, by whichever of its class's names it is called", "[kernel]") {
  EvolutionFixture f;
  f.fabric.call(1, Ref<v2::Player>("Bob")->train(false, "", 3));
  CHECK(f.fabric.call(2, f.called("Player/Bob")->get()) == 3);
  CHECK(f.fabric.call(3, f.called("Knight/Bob")->get()) == 3);
  CHECK(f.fabric.call(1, f.called("Hero/Bob")->get()) == 3);
  std::size_t activations = 0;
  for (std::uint16_t node = 1; node <= 3; ++node) activations += f.fabric.kernel(node).stats().entities;
  CHECK(activations == 1);
}

TEST_CASE("names: the oldest places and stores an entity, and is what Refs hold", "[kernel]") {
  EvolutionFixture f;
  CHECK(Ref<v2::Player>("Bob").name() == "Hero/Bob");
  const Ref<v2::Player> bob("Bob");
  f.fabric.call(1, bob->befriend("Player/Ann"));
  CHECK(f.fabric.call(2, bob->first_friend()) == "Hero/Ann");
  CHECK(f.fabric.kernel(f.fabric.owner_of("Hero/Bob")).activations().find("Hero/Bob") != nullptr);
  CHECK(*f.fabric.store().load("Hero", "Bob"));
  CHECK_FALSE(*f.fabric.store().load("Player", "Bob"));
}

TEST_CASE("names: people read the present one in logs and errors", "[kernel]") {
  EvolutionFixture f;
  f.fabric.call(1, Ref<v2::Player>("Bob")->train(false, "", 1));
  REQUIRE_FALSE(f.fabric.log().empty());
  CHECK(f.fabric.log().back().entity == "Player/Bob");
  CHECK(f.fabric.kernel(1).types().shown("Hero/Bob") == "Player/Bob");
  CHECK(f.fabric.kernel(1).types().shown("Heroes/Bob") == "Heroes/Bob");
  CHECK(f.fabric.kernel(1).types().stored("Knight/a/b") == "Hero/a/b");
}

TEST_CASE("names: a base's named(…) is not its children's, and a name may come back", "[kernel]") {
  CHECK(v2::Captain::epic_info().type_name == "Captain");
  CHECK(v2::Captain::epic_info().stored_name() == "Captain");
  TypeTable types;
  REQUIRE(types.add(module_of<v2::Hero>()));
  CHECK(types.find("Soldier") == types.find("Hero"));
  CHECK(v2::Hero::epic_info().stored_name() == "Hero");
}

TEST_CASE("names: two classes may not share one, present or former", "[kernel]") {
  TypeTable types;
  const auto added = types.add(module_of<v2::Player, v1::Hero>());
  REQUIRE_FALSE(added);
  CHECK_THAT(added.error(), Contains("two entity classes are called 'Hero'"));
}

TEST_CASE("methods: a former name leads to the method that has another one now, among versions, too", "[kernel]") {
  const reflect::EntityInfo& info = v2::Sleeper::epic_info();
  CHECK(info.find_method("rest") == &method_of(info, "sleep"));
  CHECK(info.find_method("doze") == nullptr);

  TypeTable old_types;
  TypeTable new_types;
  REQUIRE(old_types.add(module_of<v1::Hero>()));
  REQUIRE(new_types.add(module_of<v2::Sleeper>()));
  const auto of_old = new_types.resolve(old_types.hello_methods());  // as the newer node reads calls of the older one
  const auto called = std::ranges::find(of_old.methods, "Sleeper.rest", &kernel::PeerMethod::name);
  REQUIRE(called != of_old.methods.end());
  CHECK(called->method == &method_of(info, "sleep"));

  const auto of_new = old_types.resolve(new_types.hello_methods());  // as the older one reads what it gets back
  CHECK(of_new.numbers.contains(&method_of(v1::Hero::epic_info(), "rest")));
  CHECK(new_types.hello_methods().at(new_types.number_of(*new_types.find("Hero"), method_of(info, "train"))).method ==
        "train");
}

TEST_CASE("methods: renamed(…) that leads nowhere, or to two, is refused", "[kernel]") {
  const auto refusal = [](const ModuleInfo& module) {
    TypeTable types;
    const auto added = types.add(module);
    return added ? std::string("accepted") : added.error();
  };
  CHECK_THAT(refusal(module_of<v2::Forgetful>()),
             Contains("Forgetful has renamed(…) with the new name 'jog', but lists neither a member nor a method"));
  CHECK_THAT(refusal(module_of<v2::Undecided>()),
             Contains("Undecided lists the method 'run', which renamed(…) says is called 'walk' now"));
  CHECK_THAT(refusal(module_of<v2::Merged>()), Contains("two methods that renamed(…) says were called 'move'"));
}

TEST_CASE("parameters: those with names are matched by them, whatever their order and number", "[kernel]") {
  const auto& old = method_of(v1::Hero::epic_info(), "train");
  const auto& now = method_of(v2::Player::epic_info(), "train");
  CHECK(carried(old, now, {5, "x"}) == boost::json::value{{"is_hard", false}, {"why", "x"}, {"points", 5}});
  CHECK(carried(method_of(v1::Hero::epic_info(), "train"), old, {5, "x"}) ==
        boost::json::value{{"points", 5}, {"why", "x"}});
}

TEST_CASE("parameters: without names on one side they go by position", "[kernel]") {
  const auto& unnamed = method_of(v1::Hero::epic_info(), "rest");
  const auto& named = method_of(v2::Player::epic_info(), "rest");
  REQUIRE(unnamed.arguments().kind == reflect::Kind::tuple);
  REQUIRE(named.arguments().kind == reflect::Kind::record);
  CHECK(carried(unnamed, named, {8}) == boost::json::value{{"hours", 8}, {"is_deep", false}});
}

TEST_CASE("parameters: what is typed for them is refused by name", "[kernel]") {
  const auto& train = method_of(v2::Player::epic_info(), "train");
  const kernel::RecordRef record(train.make_record());
  const auto read = [&](const boost::json::array& given) {
    return codec::arguments_from_json(given, train.arguments(), record->arguments()).error();
  };
  CHECK(read({true}) == "takes 3 arguments (is_hard: bool, why: text, points: int64), got 1");
  CHECK_THAT(read({true, "x", "y"}), Contains("argument 3 (points): expected int64"));
}

TEST_CASE("parameters: names for a method that is not listed keep a module out", "[kernel]") {
  TypeTable types;
  const auto added = types.add(module_of<v2::Careless>());
  REQUIRE_FALSE(added);
  CHECK_THAT(added.error(), Contains("Careless names parameters of 'move' with params(…)"));
}

TEST_CASE("evolution: a change is saved although its bytes are those that another schema has left", "[kernel]") {
  const ModuleInfo module = module_of<v2::Member>();
  codec::CapnpCodec codec;
  SimFabric fabric({.seed = 7, .nodes = 1}, module, codec);
  fabric.run_for(std::chrono::milliseconds(100));
  const v1::Member former;
  const auto& type = reflect::type_of<v1::Member>();
  const auto schema = reflect::schema_of(type);
  const auto shard = kernel::ungrouped(16).shard_of("Member/Ann");
  storage::Batch batch{.number = kernel::CommitNumber{1}, .writer = {}, .epochs = {}, .schemas = {}, .operations = {}};
  for (const auto& row : *fabric.store().shards()) {
    if (row.shard != shard) continue;
    batch.writer = row.incarnation;
    batch.epochs.push_back({row.shard, row.epoch});
  }
  batch.schemas.push_back({schema.id(), schema.text()});
  storage::PutSnapshot put{.type = "Member",
                           .key = "Ann",
                           .shard = shard,
                           .version = kernel::Version{1},
                           .replaces = kernel::Version{0},
                           .schema = schema.id(),
                           .bytes = {}};
  codec.encode(type, &former, put.bytes);
  batch.operations.push_back(std::move(put));
  REQUIRE(fabric.store().commit(batch));

  const Ref<v2::Member> ann("Ann");
  CHECK_FALSE(fabric.call(1, ann->get()));
  fabric.call(1, ann->suspend());
  fabric.kill(1);
  fabric.restart(1);
  CHECK(fabric.call(1, ann->get()));
}
