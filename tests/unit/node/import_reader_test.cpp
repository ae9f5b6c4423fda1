#include "node/import_reader.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <epic/epic.hpp>

#include "codec/capnp_codec.hpp"
#include "codec/json_codec.hpp"

using namespace epic;
using epic::node::ImportReader;
using epic::node::ImportRow;

namespace {

class Chest : public Entity {
  std::int64_t gold_ = 5;
  std::vector<std::string> gems_;

 public:
  Task<void> touch() { co_return; }
  EPIC_ENTITY(Chest, state(gold_, gems_), renamed(coins, gold_), methods(touch), named("Chest", formerly("Box")))
};

class Ghost : public Entity {
  std::int64_t seen_ = 0;

 public:
  Task<void> touch() { co_return; }
  EPIC_ENTITY(Ghost, state(seen_), methods(touch), transient)
};

struct ImportReaderFixture {
  ImportReaderFixture() {
    static const EntityInfoFn entities[] = {&Chest::epic_info, &Ghost::epic_info};
    static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
    REQUIRE(types.add(info));
  }
  /// The state as JSON, after a round trip through the stored encoding.
  std::string state_of(const ImportRow& row) {
    Entity* chest = Chest::epic_info().create();
    void* const object = Chest::epic_info().object(chest);
    REQUIRE(codec.decode(*row.state, row.type->schema, Chest::epic_info().state, object));
    const auto json = codec::to_json(Chest::epic_info().state, object);
    Chest::epic_info().destroy(chest);
    return fmt::format("{} {}", json.at("gold_").to_number<int>(), json.at("gems_").as_array().size());
  }
  std::string error_of(std::string_view line) {
    const auto row = reader.read(line);
    return row ? "it was read" : row.error();
  }
  kernel::TypeTable types;
  codec::CapnpCodec codec;
  ImportReader reader{types, codec};
};

}  // namespace

TEST_CASE("import reader: a field that is given twice is refused, by its former name too", "[node]") {
  ImportReaderFixture f;
  CHECK_THAT(f.error_of(R"({"entity":"Chest/a","state":{"gold_":1,"gold_":2}})"), Catch::Contains("twice"));
  CHECK_THAT(f.error_of(R"({"entity":"Chest/a","state":{"coins":1,"gold_":2}})"),
             Catch::Contains("'gold_' is the same field as another one given"));
}

TEST_CASE("import reader: a line becomes the stored bytes, and missing fields take their defaults", "[node]") {
  ImportReaderFixture f;
  const auto row = f.reader.read(R"({"entity":"Chest/a/b","state":{"gems_":["x","y"]},"version":7,"live":true})");
  REQUIRE(row);
  CHECK(row->name() == "Box/a/b");  // as it is stored
  CHECK_FALSE(row->only_if);
  CHECK(f.state_of(*row) == "5 2");
}

TEST_CASE("import reader: with the same schema, or none, an unknown field is an error", "[node]") {
  ImportReaderFixture f;
  CHECK(f.error_of(R"({"entity":"Chest/a","state":{"gold":1}})").find("did you mean 'gold_'") != std::string::npos);
  const std::string schema = fmt::format("{:016x}", f.types.find("Chest")->schema.id().value);
  CHECK(f.error_of(fmt::format(R"({{"entity":"Chest/a","schema":"{}","state":{{"silver":1}}}})", schema))
            .starts_with("state: "));
  CHECK(f.reader.ignored_count() == 0);
}

TEST_CASE("import reader: with another schema, former names are read and unknown fields are counted", "[node]") {
  ImportReaderFixture f;
  const auto row = f.reader.read(R"({"entity":"Box/a","schema":"00000000000000aa","state":{"coins":9,"silver":1}})");
  REQUIRE(row);
  CHECK(row->name() == "Box/a");
  CHECK(f.state_of(*row) == "9 0");
  CHECK(f.reader.ignored_count() == 1);
}

TEST_CASE("import reader: a line that makes an entity start afresh has no state", "[node]") {
  ImportReaderFixture f;
  const auto row = f.reader.read(R"({"entity":"Chest/a","remove":true,"version":3})");
  REQUIRE(row);
  CHECK_FALSE(row->state);
  CHECK(row->only_if == kernel::Version{3});
  CHECK_FALSE(f.reader.read(R"({"entity":"Chest/a","remove":true})")->only_if);
}

TEST_CASE("import reader: each error is a sentence", "[node]") {
  ImportReaderFixture f;
  CHECK(f.error_of("{").starts_with("not JSON"));
  CHECK(f.error_of("[]").starts_with("it is not a JSON object"));
  CHECK(f.error_of("{}").starts_with("its \"entity\" is not a name"));
  CHECK(f.error_of(R"({"entity":"Chset/a","state":{}})") ==
        "no entity class 'Chset' in this project's module; did you mean 'Chest'?");
  CHECK(f.error_of(R"({"entity":"Chest/","state":{}})").starts_with("its key is empty"));
  CHECK(f.error_of(R"({"entity":"Chest/a"})") == "it has no \"state\"");
  CHECK(f.error_of(R"({"entity":"Chest/a","state":{"gold_":"x"}})").starts_with("state.gold_: expected int64"));
  CHECK(f.error_of(R"({"entity":"Ghost/a","state":{}})").starts_with("Ghost is never saved"));
  CHECK(f.error_of(R"({"entity":"Chest/a","state":{"gold_":1,"gold_":2}})").contains("the object has \"gold_\" twice"));
  CHECK(f.error_of(R"({"entity":"Chest/a","remove":"yes"})") ==
        "remove: expected true or false, got the string \"yes\"");
}
