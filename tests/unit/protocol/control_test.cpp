#include "protocol/control.hpp"

#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <set>

#include "codec/described_json.hpp"

using namespace epic::protocol;
using namespace epic::protocol::control;
using epic::codec::describe_json;
using epic::codec::read_described;

namespace {

template <class Visit, class... Verb>
void for_each_verb(std::tuple<Verb...>*, Visit visit) {
  (visit.template operator()<Verb>(), ...);
}

}  // namespace

TEST_CASE("control: every verb has a name of its own", "[protocol]") {
  std::set<std::string_view> names;
  for (const VerbInfo& verb : kVerbs) CHECK(names.insert(verb.name).second);
}

TEST_CASE("control: every request and answer comes back from its JSON, and from an empty object", "[protocol]") {
  for_each_verb(static_cast<Verbs*>(nullptr), []<class Verb> {
    const auto check = []<class T>(const T& value) {
      const auto json = describe_json(value);
      const auto again = read_described<T>(json);
      REQUIRE(again.has_value());
      CHECK(describe_json(*again) == json);
      CHECK(read_described<T>(boost::json::object()).has_value());
    };
    INFO(Verb::kVerb.name);
    check(typename Verb::Request());
    check(typename Verb::Answer());
  });
}

TEST_CASE("control: only what may have had an effect is not repeated when a node dies over it", "[protocol]") {
  std::set<std::string_view> unsafe;
  for (const VerbInfo& verb : kVerbs)
    if (verb.repeat == Repeat::unsafe) unsafe.insert(verb.name);
  CHECK(unsafe == std::set<std::string_view>{"call", "import", "outbox"});
}

TEST_CASE("control: the counters of a node stand beside the other fields of its row", "[protocol]") {
  Ps::Node node;
  node.node = "node-1";
  node.entities = 7;
  const auto row = describe_json(node).as_object();
  CHECK(row.at("node") == "node-1");
  CHECK(row.at("entities") == 7);
  CHECK(row.at("pid").is_null());
}

TEST_CASE("control: unknown fields of a newer version are ignored, a wrong one is named", "[protocol]") {
  const auto read = epic::codec::read_described_text<Logs::Request>(R"({"node":"node-2","colour":"red"})");
  REQUIRE(read.has_value());
  CHECK(read->node == "node-2");
  CHECK(epic::codec::read_described_text<Logs::Request>(R"({"tail":"many"})").error() ==
        "tail: expected uint64, got the string \"many\"");
}
