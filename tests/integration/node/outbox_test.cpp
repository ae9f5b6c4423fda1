// The verb `outbox`: nodes retry and drop dead letters, each those to its own shards.

#include <boost/json/array.hpp>
#include <catch2/catch.hpp>
#include <functional>

#include "epic/client.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"
#include "storage/mail.hpp"
#include "storage/sqlite_store.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using probe::Till;
namespace json = boost::json;

namespace {

/// Their ids, in the order of the store.
json::array list_dead(const ProjectDirectory& project) {
  const auto store = epic::storage::SqliteStore::open(project.path() / ".epic" / "state.sqlite",
                                                      {.mode = epic::storage::OpenMode::read_only});
  REQUIRE(store);
  json::array ids;
  REQUIRE((*store)->list_mail(
      {.status = epic::storage::MailStatus::dead},
      [&](const epic::storage::Mail& mail) {
        ids.emplace_back(epic::storage::mail_id_text(mail.id));
        return epic::storage::Visit::go_on;
      },
      [](const auto&) {}));
  return ids;
}

/// Looks again and again, which goes through other processes or the disk each time.
void wait_for(const std::string& what, const std::function<std::string()>& look, const std::string& wanted) {
  const auto until = std::chrono::steady_clock::now() + 30s;
  std::string seen = look();
  while (seen != wanted && std::chrono::steady_clock::now() < until) seen = look();
  INFO(what);
  REQUIRE(seen == wanted);
}

}  // namespace

TEST_CASE("outbox: dead letters of all nodes are dropped, or arrive after all", "[node][threads]") {
  constexpr int kTills = 12;
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 3)};
  fabric.wait_for("ready 3 nodes");
  fabric.wait_until_level();
  const Client client = Client::connect(project.path().string());
  for (int i = 0; i < kTills; ++i) client.call(client.get<Till>("from")->send(client.get<Till>(i), 5));
  for (int i = 0; i < kTills; ++i) fabric.wait_for("is a dead letter");
  wait_for("dead letters on disk", [&] { return std::to_string(list_dead(project).size()); }, std::to_string(kTills));

  json::array dropped = list_dead(project);
  dropped.resize(4);
  CHECK(fabric.ask("outbox", {{"action", "drop"}, {"ids", dropped}}).at("count") == 4);
  CHECK(list_dead(project).size() == kTills - 4);
  CHECK(fabric.ask("outbox", {{"action", "drop"}, {"ids", dropped}}).at("count") == 0);

  for (int i = 0; i < kTills; ++i) client.call(client.get<Till>(i)->open());
  json::array retried = list_dead(project);
  retried.emplace_back(dropped[0]);
  CHECK(fabric.ask("outbox", {{"action", "retry"}, {"ids", retried}}).at("count") == kTills - 4);
  CHECK(list_dead(project).empty());
  const auto sum = [&] {
    std::int64_t all = 0;
    for (int i = 0; i < kTills; ++i) all += client.call(client.get<Till>(i)->count());
    return std::to_string(all);
  };
  wait_for("what has arrived", sum, std::to_string((kTills - 4) * 5));
  CHECK(client.call(client.get<Till>("from")->count()) == -5 * kTills);

  CHECK_THAT(fabric.ask_in_vain("outbox", {{"action", "drop"}, {"ids", json::array{"Till/1"}}}).message,
             Catch::Contains("'Till/1' is not the id of a message"));
}
