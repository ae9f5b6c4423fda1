#pragma once
// Libpq: PostgreSQL's client library, loaded by the first store in a database.
//
// It brings some twenty others with it (TLS, Kerberos, LDAP), which would make each process 3.5 MiB larger, and slower
// to start. Most have no database.

#include <libpq-fe.h>

#include <expected>
#include <string>

namespace epic::storage {

/// The functions of libpq that epic uses, by their names.
struct Libpq {
#define EPIC_LIBPQ_FUNCTIONS(use)                                                                             \
  use(PQclear) use(PQconnectdbParams) use(PQconninfoFree) use(PQconninfoParse) use(PQconsumeInput)            \
      use(PQenterPipelineMode) use(PQerrorMessage) use(PQfinish) use(PQflush) use(PQfreemem) use(PQgetResult) \
          use(PQgetisnull) use(PQgetlength) use(PQgetvalue) use(PQisBusy) use(PQnotifies) use(PQntuples)      \
              use(PQpipelineSync) use(PQresultErrorField) use(PQresultErrorMessage) use(PQresultStatus)       \
                  use(PQsendPrepare) use(PQsendQueryParams) use(PQsendQueryPrepared) use(PQsetNoticeReceiver) \
                      use(PQsetnonblocking) use(PQsocket) use(PQstatus)
#define EPIC_LIBPQ_MEMBER(name) decltype(&::name) name = nullptr;
  EPIC_LIBPQ_FUNCTIONS(EPIC_LIBPQ_MEMBER)
#undef EPIC_LIBPQ_MEMBER
};

/// Loads it, if that has not been done. The error says why that is not possible, and what to install. Any thread.
[[nodiscard]] std::expected<void, std::string> load_libpq();

/// After load_libpq() has succeeded.
[[nodiscard]] const Libpq& libpq();

}  // namespace epic::storage
