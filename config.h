/* Written by configure; do not edit. */
#define PATH_CONFIG "/etc/smtpd-stoken.conf"
#define PATH_USERS "/etc/smtpd-stoken/users"
#define PATH_STORE "/var/db/smtpd-stoken"
#define PATH_CONTROL "/var/run/smtpd-stoken.sock"
#define PATH_LIBEXEC "/usr/local/libexec/smtpd-stoken"
#define PATH_EMPTY "/var/empty"
