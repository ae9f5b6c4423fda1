// Messages that are still stored: what the outbox commands print of them, and what they do with dead letters, with a
// fabric and without.

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <tuple>

#include "cli/stand_in.hpp"
#include "cli/transcript.hpp"
#include "codec/capnp_codec.hpp"
#include "epic/values.hpp"
#include "reflect/schema_of.hpp"
#include "storage/grants.hpp"
#include "storage/sqlite_store.hpp"
#include "support/recorded_store.hpp"

using epic::cli_test::answer;
using epic::cli_test::kManifest;
using epic::cli_test::StandIn;
using epic::cli_test::Transcript;
using namespace epic::kernel;
namespace fs = std::filesystem;

namespace {

constexpr ShardId kShard{3};  // of all of them

PutMail message(std::uint64_t number, MailStatus status, const std::string& from, const std::string& to,
                std::string why = {}) {
  using Arguments = std::tuple<std::int64_t, std::string>;
  const auto& type = epic::reflect::type_of<Arguments>();
  const Arguments arguments{50, "rent"};
  PutMail put{{.id = {.shard = kShard, .epoch = Epoch{1}, .number = number},
               .to_shard = kShard,
               .from = from,
               .to = to,
               .method = "deposit",
               .schema = epic::reflect::schema_of(type).id(),
               .arguments = {},
               .sent_at_ns = 1'700'000'000'123'000'000,
               .status = status,
               .why = std::move(why)}};
  epic::codec::CapnpCodec().encode(type, &arguments, put.mail.arguments);
  return put;
}

/// A project whose fabric is down, with three dead letters, two messages that wait, and one that has begun.
void make_project_with_mail(Transcript& transcript) {
  transcript.write("epic.toml", kManifest);
  fs::create_directories(transcript.directory() / ".epic");
  auto store = epic::storage::SqliteStore::open(transcript.directory() / ".epic/state.sqlite",
                                                {.mode = epic::storage::OpenMode::create, .shard_count = 64});
  REQUIRE(store);
  const auto epochs = epic::storage::take_all(**store, Incarnation{1});
  REQUIRE(epochs);
  const auto schema = epic::reflect::schema_of(epic::reflect::type_of<std::tuple<std::int64_t, std::string>>());
  REQUIRE((*store)->commit(
      {.number = CommitNumber{1},
       .writer = Incarnation{1},
       .epochs = *epochs,
       .schemas = {{schema.id(), schema.text()}},
       .operations = {message(1, MailStatus::dead, "Player/Bob", "Account/7", "the account is closed\nsince Monday"),
                      message(2, MailStatus::waiting, "Player/Bob", "Account/7"),
                      message(3, MailStatus::begun, "Player/Bea", "Account/8"),
                      message(4, MailStatus::dead, "Player/Bea", "Bank/main", "its node ended"),
                      message(5, MailStatus::waiting, "Bank/main", "Account/8"),
                      message(6, MailStatus::dead, "Bank/main", "Account/9", "no such account")}}));
}

}  // namespace

TEST_CASE("outbox: list shows dead letters, or what waits, and show the arguments", "[cli]") {
  Transcript transcript("outbox");
  make_project_with_mail(transcript);
  transcript.run({"outbox", "list"});
  transcript.run({"outbox", "list", "Account/7", "-o", "json"});
  transcript.run({"outbox", "list", "Account", "--status", "waiting", "--limit", "1", "-o", "jsonl"});
  CHECK(transcript.run({"outbox", "list", "Account/8"}).exit_code == 0);
  CHECK(transcript.run({"outbox", "list", "Bank", "--status", "begun"}).exit_code == 0);
  transcript.run({"outbox", "show", "3.1.1"});
  const auto shown = transcript.run({"outbox", "show", "3.1.2", "-o", "jsonl"});
  CHECK(boost::json::parse(shown.out).at("arguments") == boost::json::array{50, "rent"});
  CHECK(transcript.run({"outbox", "show", "3.1.7"}).exit_code == 3);
  CHECK(transcript.run({"outbox", "show", "Account/7"}).exit_code == 2);
  CHECK(transcript.run({"outbox", "list", "--status", "lost"}).exit_code == 2);
  transcript.check();

  const std::string table = transcript.run_on_terminal({"outbox", "list", "--color", "never"});
  CHECK(table.starts_with("ID     STATUS  FROM        TO                 SENT"));
  CHECK(table.contains("the account is closed"));
  CHECK_FALSE(table.contains("since Monday"));
}

TEST_CASE("outbox: without a fabric, dead letters are retried or dropped in the store", "[cli]") {
  Transcript transcript("outbox_settle");
  make_project_with_mail(transcript);
  CHECK(transcript.run({"outbox", "retry"}).exit_code == 2);
  CHECK(transcript.run({"outbox", "retry", "3.1.1", "--all"}).exit_code == 2);
  CHECK(transcript.run({"outbox", "retry", "3.1.1", "Account/7"}).exit_code == 2);
  CHECK(transcript.run({"outbox", "drop", "3.1.1"}).exit_code == 2);
  CHECK(transcript.run({"outbox", "retry", "3.1.1", "3.1.7"}).exit_code == 3);
  CHECK(transcript.run({"outbox", "retry", "3.1.1", "3.1.2"}).exit_code == 1);
  CHECK(transcript.run({"outbox", "retry", "Account/8"}).exit_code == 0);
  CHECK(transcript.run({"outbox", "drop", "--all", "--dry-run"}).exit_code == 0);
  CHECK(transcript.run_quietly({"outbox", "list", "-o", "jsonl"}).out.contains("3.1.1"));  // nothing has changed so far

  CHECK(transcript.run({"outbox", "retry", "3.1.1"}).exit_code == 0);
  const auto waiting = transcript.run({"outbox", "list", "Account/7", "--status", "waiting", "-o", "jsonl"});
  CHECK(waiting.out.contains(R"({"id":"3.2.1","status":"waiting","from":"Player/Bob","to":"Account/7")"));
  const auto again = boost::json::parse(transcript.run_quietly({"outbox", "show", "3.2.1", "-o", "json"}).out);
  CHECK(again.at("arguments") == boost::json::array{50, "rent"});
  CHECK(again.at("why").is_null());
  CHECK(transcript.run({"outbox", "drop", "Bank", "--yes", "-o", "json"}).exit_code == 0);
  CHECK(transcript.run({"outbox", "drop", "--all", "--yes"}).exit_code == 0);
  CHECK(transcript.run({"outbox", "drop", "--all", "--yes"}).exit_code == 0);
  CHECK(transcript.run({"outbox", "list"}).exit_code == 0);
  CHECK_FALSE(fs::exists(transcript.directory() / ".epic/supervisor.lock"));
  transcript.check();
}

TEST_CASE("outbox: a message that cannot be read is dropped by its id, and not sent again", "[cli]") {
  Transcript transcript("unused");
  make_project_with_mail(transcript);
  const fs::path store = transcript.directory() / ".epic/state.sqlite";
  epic::storage::test::run_sql(store, "UPDATE mail SET method = 'x' WHERE number IN (1, 2)");  // one dead, one waits
  const auto listed = transcript.run_quietly({"outbox", "list"});
  CHECK(listed.exit_code == 1);
  CHECK(listed.err.contains("message 3.1.1 to Account/7"));
  CHECK(listed.err.contains("'epic outbox drop ID'"));
  const auto shown = transcript.run_quietly({"outbox", "show", "3.1.2"});
  CHECK(shown.exit_code == 1);
  CHECK(shown.err.contains("epic outbox drop 3.1.2"));
  const auto retried = transcript.run_quietly({"outbox", "retry", "3.1.1"});
  CHECK(retried.exit_code == 1);
  CHECK(retried.err.contains("cannot be sent again"));
  CHECK(transcript.run_quietly({"outbox", "drop", "3.1.1", "3.1.2", "--dry-run"}).exit_code == 0);
  CHECK(transcript.run_quietly({"outbox", "show", "3.1.2"}).exit_code == 1);  // still there

  const auto dropped = transcript.run_quietly({"outbox", "drop", "3.1.1", "3.1.2", "3.1.4", "--yes"});
  CHECK(dropped.exit_code == 0);
  CHECK(dropped.err.contains("Dropped 3 dead letters"));
  for (const char* id : {"3.1.1", "3.1.2", "3.1.4"})
    CHECK(transcript.run_quietly({"outbox", "show", id}).exit_code == 3);
  CHECK(transcript.run_quietly({"outbox", "show", "3.1.6"}).exit_code == 0);
}

TEST_CASE("outbox: a message whose receiver's shard cannot exist is dropped, too", "[cli]") {
  const char* const shard = GENERATE("64", "-1", "4294967299");
  CAPTURE(shard);
  Transcript transcript("unused");
  make_project_with_mail(transcript);
  const fs::path store = transcript.directory() / ".epic/state.sqlite";
  epic::storage::test::run_sql(store, std::string("UPDATE mail SET to_shard = ") + shard + " WHERE number IN (1, 2)");
  CHECK(transcript.run_quietly({"outbox", "show", "3.1.1"}).err.contains("epic outbox drop 3.1.1"));
  const auto dropped = transcript.run_quietly({"outbox", "drop", "3.1.1", "3.1.2", "--yes"});
  CHECK(dropped.exit_code == 0);
  CHECK(dropped.err.contains("Dropped 2 dead letters"));
  for (const char* id : {"3.1.1", "3.1.2"}) CHECK(transcript.run_quietly({"outbox", "show", id}).exit_code == 3);
  CHECK(transcript.run_quietly({"outbox", "show", "3.1.4"}).exit_code == 0);
}

TEST_CASE("outbox: on a terminal, drop asks and names what it would change", "[cli]") {
  Transcript transcript("unused");
  make_project_with_mail(transcript);
  const std::string said = transcript.run_on_terminal({"outbox", "drop", "Account"}, "n\n");
  CHECK(said.contains("Drop 2 dead letters from the store (no fabric runs)? [y/N]"));
  CHECK(said.contains("nothing was changed"));
}

TEST_CASE("outbox: a running fabric settles what the store shows, and what is left is a failure", "[cli]") {
  Transcript transcript("outbox_live");
  make_project_with_mail(transcript);
  StandIn fabric(transcript.directory(), {{"outbox", answer(R"({"count":1})")}});
  CHECK(transcript.run({"outbox", "list", "Bank"}).exit_code == 0);
  CHECK(transcript.run({"outbox", "retry", "3.1.4"}).exit_code == 0);
  CHECK(fabric.requests().back() == R"(outbox {"action":"retry","ids":["3.1.4"]})");
  CHECK(transcript.run({"outbox", "drop", "Account", "--yes"}).exit_code == 1);
  CHECK(fabric.requests().back() == R"(outbox {"action":"drop","ids":["3.1.1","3.1.6"]})");
  transcript.check();
}

TEST_CASE("outbox: an export says how many messages stay behind", "[cli]") {
  Transcript transcript("unused");
  make_project_with_mail(transcript);
  CHECK(transcript.run({"snapshot", "export"}).err.contains("6 messages stay behind: entity exports have no mail"));
}

TEST_CASE("outbox: a store of a format without mail has no messages, and an unknown type is named", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  CHECK(transcript.run({"outbox", "list"}).exit_code == 3);
  fs::create_directories(transcript.directory() / ".epic");
  epic::storage::test::restore_store("format_1.sql", transcript.directory() / ".epic/state.sqlite");
  const auto listed = transcript.run({"outbox", "list"});
  CHECK(listed.exit_code == 0);
  CHECK(listed.err == "No dead letters\n");
  CHECK(transcript.run({"outbox", "list", "Acount"}).exit_code == 3);
  CHECK(transcript.run({"outbox", "retry", "--all"}).err == "Nothing to do: no dead letters\n");
  CHECK_FALSE(transcript.run({"snapshot", "export"}).err.contains("stay"));
}
