// A Ref<T> names entities of T, or of a class derived from it, and of no other, whichever way its name came.

#include <boost/describe/class.hpp>
#include <catch2/catch.hpp>
#include <epic/epic.hpp>
#include <map>
#include <optional>
#include <variant>

#include "codec/capnp_codec.hpp"
#include "codec/conversion.hpp"
#include "codec/json_codec.hpp"
#include "kernel/kernel_scope.hpp"
#include "protocol/json.hpp"
#include "reflect/schema_of.hpp"
#include "support/sim_fabric.hpp"

namespace refs {

using epic::Ref, epic::Task;

class Wallet : public epic::Entity {
  std::string owner_ = "nobody";

 public:
  Task<std::string> show() const { co_return owner_; }
  Task<std::int64_t> bump() { co_return -1; }
  EPIC_ENTITY(Wallet, state(owner_), methods(show, bump))
};
class Points : public epic::Entity {
  std::int64_t a_ = 0;
  std::int64_t b_ = 0;

 public:
  Task<std::int64_t> bump() {
    a_ += 8;
    co_return ++b_;
  }
  EPIC_ENTITY(Points, state(a_, b_), methods(bump))
};
/// Renamed: its stored name is Points2.
class Bonus : public Points {
  std::int64_t c_ = 0;

 public:
  Task<std::int64_t> twice() { co_return ++c_ * 2; }
  EPIC_ENTITY(Bonus, base(Points), state(c_), methods(twice), named("Bonus", formerly("Points2")))
};

/// Every place that a Ref can be in.
struct Places {
  Ref<Points> plain;
  std::vector<Ref<Points>> list;
  std::map<std::string, Ref<Points>> by_name;
  std::map<Ref<Points>, std::int32_t> by_ref;
  std::optional<Ref<Points>> maybe;
  std::variant<std::int32_t, Ref<Points>> either;
  std::tuple<Ref<Points>, bool> pair;
};
BOOST_DESCRIBE_STRUCT(Places, (), (plain, list, by_name, by_ref, maybe, either, pair))

class User : public epic::Entity {
  Places places_;

 public:
  Task<std::int64_t> hit(Ref<Points> to) { co_return co_await to->bump(); }
  Task<std::int64_t> hit_all(Places places) {
    places_ = std::move(places);
    co_return co_await places_.plain->bump();
  }
  Task<Ref<Points>> give(std::string type) const {
    co_return epic::detail::RefAccess::make<Points>(epic::detail::make_name(type, "x"));  // as no user can
  }
  Task<std::string> take_from(Ref<User> other, std::string type) const {
    const Ref<Points> given = co_await other->give(type);
    co_return std::string(given.name());
  }
  EPIC_ENTITY(User, state(places_), methods(hit, hit_all, give, take_from))
};

const epic::ModuleInfo& refs_module() {
  static const epic::EntityInfoFn entities[] = {&Wallet::epic_info, &Points::epic_info, &Bonus::epic_info,
                                                &User::epic_info};
  static const epic::ModuleInfo info{EPIC_ABI_TAG, entities, &epic::no_setup};
  return info;
}

}  // namespace refs

using namespace epic;
using namespace refs;

namespace {

struct RefsFixture {
  codec::CapnpCodec codec;
  test::SimFabric fabric{test::SimOptions{.seed = 3}, refs_module(), codec};
};

/// A Ref that no way in would let through.
Ref<Points> forged(std::string_view type) { return detail::RefAccess::make<Points>(detail::make_name(type, "x")); }

std::vector<Places> places_with(const Ref<Points>& ref) {
  std::vector<Places> all(7);
  all[0].plain = ref;
  all[1].list = {Ref<Points>("good"), ref};
  all[2].by_name = {{"k", ref}};
  all[3].by_ref = {{ref, 1}};
  all[4].maybe = ref;
  all[5].either = ref;
  all[6].pair = {ref, true};
  return all;
}

constexpr const char* kPaths[] = {"plain", "list[1]", "by_name[0]", "by_ref[0]", "maybe", "either", "pair[0]"};

}  // namespace

TEST_CASE("refs: a method never runs on an object of another class, here or on another node", "[kernel]") {
  RefsFixture f;
  for (const std::uint16_t node : {1, 2, 3}) {
    CHECK_THROWS_AS(f.fabric.call(node, forged("Wallet")->bump()), NoSuchMethod);
    CHECK_THROWS_WITH(f.fabric.call(node, forged("Wallet")->bump()), Catch::Contains("Wallet/x.bump"));
    CHECK(f.fabric.call(node, Ref<Wallet>("x")->show()) == "nobody");  // and once it is active
    CHECK_THROWS_AS(f.fabric.call(node, forged("Wallet")->bump()), NoSuchMethod);
  }
  CHECK(f.fabric.call(1, forged("Bonus")->bump()) == 1);
  CHECK(f.fabric.call(2, forged("Points2")->bump()) == 2);
  CHECK(f.fabric.call(3, Ref<Bonus>("x")->bump()) == 3);
  CHECK(f.fabric.call(3, Ref<Bonus>("x")->twice()) == 2);
}

TEST_CASE("refs: an argument, a result or a state that names an entity of another class is refused with its place",
          "[kernel]") {
  RefsFixture f;
  int remote = 0;
  for (const std::uint16_t node : {1, 2, 3}) {
    for (const Places& places : places_with(forged("Wallet"))) {
      const std::string user = std::to_string(remote++);
      CHECK_THROWS(f.fabric.call(node, Ref<User>(user)->hit_all(places)));
    }
  }
  int refused = 0;
  for (int other = 0; other < 10; ++other) {
    const std::string key = std::to_string(other);
    if (f.fabric.owner_of("User/" + key) == f.fabric.owner_of("User/a")) continue;
    CHECK_THROWS_WITH(f.fabric.call(1, Ref<User>("a")->take_from(Ref<User>(key), "Wallet")),
                      Catch::Contains("an entity of class Points"));
    CHECK(f.fabric.call(1, Ref<User>("a")->take_from(Ref<User>(key), "Points2")) == "Points2/x");
    ++refused;
  }
  CHECK(refused > 0);
  f.fabric.kernel(1).enter([&] {
    const reflect::TypeInfo& type = reflect::type_of<Places>();
    for (std::size_t i = 0; i < std::size(kPaths); ++i) {
      const Places bad = places_with(forged("Wallet"))[i];
      std::vector<std::byte> bytes;
      f.codec.encode(type, &bad, bytes);
      Places read;
      const auto decoded = f.codec.decode(bytes, reflect::schema_of(type), type, &read);
      REQUIRE_FALSE(decoded.has_value());
      CHECK_THAT(decoded.error().path, Catch::StartsWith(kPaths[i]));
      CHECK(decoded.error().what == "expected an entity of class Points, such as \"Points/Key\", got \"Wallet/x\"");
      const auto json = codec::to_json(type, &bad);
      const auto from_json = codec::from_json(json, type, &read);
      REQUIRE_FALSE(from_json.has_value());
      CHECK(from_json.error().what == decoded.error().what);
      for (const char* good : {"Points", "Bonus", "Points2"}) {
        const Places fine = places_with(forged(good))[i];
        bytes.clear();
        f.codec.encode(type, &fine, bytes);
        CHECK(f.codec.decode(bytes, reflect::schema_of(type), type, &read).has_value());
        CHECK(codec::from_json(codec::to_json(type, &fine), type, &read).has_value());
      }
    }
    Ref<Points> ref;
    CHECK_FALSE(ref.try_assign_name("Wallet/x"));
    CHECK_FALSE(ref.try_assign_name("Nobody/x"));
    REQUIRE(ref.try_assign_name("Bonus/x"));
    CHECK(ref.name() == "Points2/x");
    Ref<Bonus> bonus;
    CHECK_FALSE(bonus.try_assign_name("Points/x"));  // a base is not a derived class
  });
}

TEST_CASE("refs: a schema has the class, and a change of it is noticed before anything is read", "[kernel]") {
  for (const EntityInfoFn info_of : {&User::epic_info, &Wallet::epic_info, &Points::epic_info, &Bonus::epic_info})
    (void)info_of();
  const auto points = reflect::Schema::parse("ref<Points>");
  CHECK(reflect::schema_of(reflect::type_of<Ref<Bonus>>()).text() == "ref<Points2>");
  CHECK(codec::examine(*points, reflect::type_of<Ref<Points>>()).changes.empty());
  const codec::Conversion changed = codec::examine(*points, reflect::type_of<Ref<Wallet>>());
  REQUIRE(changed.changes.size() == 1);
  CHECK(changed.changes[0].what == codec::Change::What::unreadable);
  CHECK(changed.changes[0].was == "ref<Points>");
  CHECK(changed.changes[0].is == "ref<Wallet>");
  const codec::Conversion older = codec::examine(*reflect::Schema::parse("ref"), reflect::type_of<Ref<Wallet>>());
  CHECK(older.changes.empty());
  CHECK(older.depends_on_values);  // so the check reads them
}
