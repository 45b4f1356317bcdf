// A password judged by the system's PAM stack; see howdah/auth/directory.h. Blocks, and may start
// programs; on helper threads only.
#include <security/pam_appl.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>

#include "howdah/auth/directory.h"
#include "howdah/base/text.h"

namespace howdah::auth {

using base::cat;
using base::Error;
using base::Status;

namespace {

struct Conversation {
  const base::Secret& password;
  unsigned delay = 0;  // µs
};

void free_answers(pam_response* answers, int count) {
  for (int i = 0; i < count; ++i) {
    if (!answers[i].resp) continue;
    base::wipe(answers[i].resp, std::strlen(answers[i].resp));
    std::free(answers[i].resp);
  }
  std::free(answers);
}

// The password to the one question that hides its answer; every other question ends the login. PAM
// owns the answers.
int converse(int count, const pam_message** messages, pam_response** out, void* data) {
  if (count <= 0 || count > PAM_MAX_NUM_MSG) return PAM_CONV_ERR;
  auto* answers = static_cast<pam_response*>(
      std::calloc(static_cast<std::size_t>(count), sizeof(pam_response)));
  if (!answers) return PAM_BUF_ERR;
  const base::Secret& password = static_cast<Conversation*>(data)->password;
  for (int i = 0; i < count; ++i) {
    switch (messages[i]->msg_style) {
      case PAM_PROMPT_ECHO_OFF:
        answers[i].resp = strndup(password.view().data(), password.view().size());
        if (answers[i].resp) break;
        free_answers(answers, count);
        return PAM_BUF_ERR;
      case PAM_TEXT_INFO:
      case PAM_ERROR_MSG:
        break;
      default:
        free_answers(answers, count);
        return PAM_CONV_ERR;
    }
  }
  *out = answers;
  return PAM_SUCCESS;
}

// PAM calls it instead of sleeping.
void note_delay(int status, unsigned delay, void* data) {
  if (status != PAM_SUCCESS) static_cast<Conversation*>(data)->delay = delay;
}

}  // namespace

Status pam_check(const PamRequest& request, const base::Secret& password, base::Duration& delay) {
  delay = {};
  if (password.empty()) return Error{"28P01", "empty password returned by client"};
  Conversation data{password};
  pam_conv conversation{converse, &data};
  pam_handle_t* handle = nullptr;
  const char* directory = request.directory.empty() ? nullptr : request.directory.c_str();
  int code = pam_start_confdir(request.service.c_str(), request.user.c_str(), &conversation,
                               directory, &handle);
  if (code != PAM_SUCCESS || !handle) {
    return Error{"28P01", cat("PAM: service ", request.service, " cannot be started")};
  }
  const char* step = "authentication";
  pam_set_item(handle, PAM_FAIL_DELAY, reinterpret_cast<const void*>(&note_delay));
  if (!request.address.empty()) {
    code = pam_set_item(handle, PAM_RHOST, request.address.c_str());
  }
  if (code == PAM_SUCCESS) code = pam_authenticate(handle, PAM_SILENT);
  if (code == PAM_SUCCESS) {
    step = "account";
    code = pam_acct_mgmt(handle, PAM_SILENT);
  }
  std::string why = code == PAM_SUCCESS ? "" : pam_strerror(handle, code);
  // A module may map the name to another one. Who logs in is who was asked for.
  if (code == PAM_SUCCESS) {
    const void* user = nullptr;
    if (pam_get_item(handle, PAM_USER, &user) != PAM_SUCCESS || !user ||
        request.user != static_cast<const char*>(user)) {
      code = PAM_USER_UNKNOWN;
      why = "a module made another user of this one";
    }
  }
  pam_end(handle, code);
  delay = std::chrono::microseconds(data.delay);
  if (code == PAM_SUCCESS) return base::Done{};
  return Error{"28P01", cat("PAM: ", std::string_view(step), " failed: ", why)};
}

}  // namespace howdah::auth
