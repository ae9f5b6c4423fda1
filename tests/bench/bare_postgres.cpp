#include "bench/bare_postgres.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "storage/postgres_params.hpp"

namespace epic::bench {

namespace {

using storage::PgColumn;
using storage::PgParams;

constexpr std::size_t kBareShards = 64;

constexpr const char* kBareTables =
    "CREATE TABLE epic.bare_shards(shard int4 PRIMARY KEY, epoch int8 NOT NULL);"
    "INSERT INTO epic.bare_shards SELECT shard, 1 FROM generate_series(0, 63) AS shard;"
    "CREATE TABLE epic.bare_rows(key bytea PRIMARY KEY, bytes bytea NOT NULL) WITH (fillfactor = 80);"
    "CREATE TABLE epic.bare_mail(place int8 PRIMARY KEY GENERATED ALWAYS AS IDENTITY, from_shard int4 NOT NULL, "
    "number int8 NOT NULL, to_shard int4 NOT NULL, bytes bytea NOT NULL, UNIQUE(from_shard, number));"
    "CREATE INDEX bare_mail_by_receiver ON epic.bare_mail(to_shard, place)";

struct BareStatement {
  const char* name;
  const char* sql;
};
constexpr BareStatement kBareFence{
    "fence",
    "SELECT 1 / (count(*) = cardinality($1))::int4 FROM (SELECT FROM epic.bare_shards s "
    "JOIN unnest($1::int4[], $2::int8[]) AS held(shard, epoch) ON s.shard = held.shard WHERE s.epoch = held.epoch "
    "ORDER BY s.shard FOR SHARE OF s) AS locked"};
constexpr BareStatement kBareUpsert{
    "put",
    "INSERT INTO epic.bare_rows(key, bytes) SELECT * FROM unnest($1::bytea[], $2::bytea[]) "
    "ON CONFLICT(key) DO UPDATE SET bytes = excluded.bytes"};
constexpr BareStatement kBarePutMail{"put_mail",
                                     "INSERT INTO epic.bare_mail(from_shard, number, to_shard, bytes) "
                                     "SELECT * FROM unnest($1::int4[], $2::int8[], $3::int4[], $4::bytea[])"};
constexpr BareStatement kBareEndMail{"end_mail",
                                     "DELETE FROM epic.bare_mail m USING unnest($1::int4[], $2::int8[]) "
                                     "AS given(from_shard, number) WHERE m.from_shard = given.from_shard "
                                     "AND m.number = given.number"};

std::uint32_t bare_shard_of(std::size_t row) { return static_cast<std::uint32_t>(row % kBareShards); }

/// A session in pipeline mode, with these statements prepared. Throws std::runtime_error, as all its functions do.
class BarePgSession {
 public:
  explicit BarePgSession(const std::string& url) : connection_(PQconnectdb(url.c_str())) {
    if (PQstatus(raw()) != CONNECTION_OK) fail();
    // As epic's sessions have it: plans with the indexes, whatever is known of tables that are new.
    for (const char* setting : {"SET plan_cache_mode = force_generic_plan", "SET enable_seqscan = off",
                                "SET enable_hashjoin = off", "SET enable_mergejoin = off", "SET jit = off"})
      run(setting);
    for (const BareStatement& statement : {kBareFence, kBareUpsert, kBarePutMail, kBareEndMail})
      check(PQprepare(raw(), statement.name, statement.sql, 0, nullptr));
    if (PQenterPipelineMode(raw()) != 1) fail();
  }

  void send(const BareStatement& statement, const PgParams& params) {
    std::vector<const char*> values;
    std::vector<int> lengths;
    for (int i = 0; i < params.size(); ++i) {
      const std::string& value = params.value(static_cast<std::size_t>(i));
      values.push_back(value.data());
      lengths.push_back(static_cast<int>(value.size()));
    }
    const std::vector<int> formats(values.size(), 1);
    if (PQsendQueryPrepared(raw(), statement.name, params.size(), values.data(), lengths.data(), formats.data(), 1) !=
        1)
      fail();
    ++sent_;
  }

  /// Until the server has confirmed what was sent.
  void commit() {
    if (PQpipelineSync(raw()) != 1) fail();
    for (; sent_ > 0; --sent_) {
      check(PQgetResult(raw()));
      if (PQgetResult(raw()) != nullptr) throw std::runtime_error("bare PostgreSQL: two results of one statement");
    }
    check(PQgetResult(raw()));
  }

  static void make_tables(const std::string& url) {
    const std::unique_ptr<PGconn, Finish> connection(PQconnectdb(url.c_str()));
    PGresult* const result = PQexec(connection.get(), kBareTables);
    const bool is_done = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    if (!is_done) throw std::runtime_error(std::string("bare PostgreSQL: ") + PQerrorMessage(connection.get()));
  }

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };

  [[nodiscard]] PGconn* raw() const { return connection_.get(); }
  [[noreturn]] void fail() const { throw std::runtime_error(std::string("bare PostgreSQL: ") + PQerrorMessage(raw())); }
  void run(const char* sql) { check(PQexec(raw(), sql)); }
  void check(PGresult* result) const {
    const ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_PIPELINE_SYNC) fail();
  }

  std::unique_ptr<PGconn, Finish> connection_;
  int sent_ = 0;
};

/// Lives until its process ends.
class BarePgWriter {
 public:
  enum class Kind : std::uint8_t { increments, transfers };
  BarePgWriter(const std::string& url, const WriterLoad& load, int process, Kind kind)
      : load_(load), process_(process), kind_(kind), session_(url) {}

  void commit(int batch) {
    const std::vector<std::size_t> rows = rows_of(load_, process_, batch);
    const std::string bytes = content_of(load_, batch);
    send_fence(rows);
    PgColumn keys(PgColumn::Type::bytea);
    PgColumn contents(PgColumn::Type::bytea);
    for (const std::size_t row : rows) {
      keys.add("user-" + std::to_string(row));
      contents.add(bytes);
    }
    session_.send(kBareUpsert, PgParams().add(keys).add(contents));
    if (kind_ == Kind::transfers) send_mail(rows, batch);
    session_.commit();
  }

 private:
  void send_fence(const std::vector<std::size_t>& rows) {
    std::vector<bool> is_touched(kBareShards);
    for (const std::size_t row : rows) is_touched[bare_shard_of(row)] = true;
    PgColumn shards(PgColumn::Type::int4);
    PgColumn epochs(PgColumn::Type::int8);
    for (std::uint32_t shard = 0; shard < kBareShards; ++shard) {
      if (!is_touched[shard]) continue;
      shards.add(shard);
      epochs.add(std::int64_t{1});
    }
    session_.send(kBareFence, PgParams().add(shards).add(epochs));
  }

  /// From the first half of the rows to the other.
  void send_mail(const std::vector<std::size_t>& rows, int batch) {
    const std::size_t count = rows.size() / 2;
    PgColumn from(PgColumn::Type::int4);
    PgColumn numbers(PgColumn::Type::int8);
    PgColumn to(PgColumn::Type::int4);
    PgColumn contents(PgColumn::Type::bytea);
    for (std::size_t i = 0; i < count; ++i) {
      from.add(bare_shard_of(rows[i]));
      numbers.add((std::int64_t{process_} << 48) + static_cast<std::int64_t>(batch) * std::ssize(rows) +
                  static_cast<std::int64_t>(i));
      to.add(bare_shard_of(rows[count + i]));
      contents.add("add 1");
    }
    session_.send(kBarePutMail, PgParams().add(from).add(numbers).add(to).add(contents));
    if (!ends_.empty()) session_.send(kBareEndMail, ends_.front());
    ends_ = {PgParams().add(from).add(numbers)};
  }

  WriterLoad load_;
  int process_;
  Kind kind_;
  BarePgSession session_;
  std::vector<PgParams> ends_;  // of the last batch's messages
};

MakeWriter make_bare_pg_writers(const std::string& url, const WriterLoad& load, BarePgWriter::Kind kind) {
  BarePgSession::make_tables(url);
  return [url, load, kind](int process) -> CommitBatch {
    // Shared by the copies of the function that is returned.
    const auto writer = std::make_shared<BarePgWriter>(url, load, process, kind);
    return [writer](int batch) { writer->commit(batch); };
  };
}

}  // namespace

MakeWriter make_bare_postgres_writers(const std::string& url, const WriterLoad& load) {
  return make_bare_pg_writers(url, load, BarePgWriter::Kind::increments);
}

MakeWriter make_bare_postgres_transfers(const std::string& url, const WriterLoad& load) {
  return make_bare_pg_writers(url, load, BarePgWriter::Kind::transfers);
}

}  // namespace epic::bench
