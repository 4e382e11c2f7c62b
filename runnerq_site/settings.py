"""Django settings of the site: the one place where the environment is read (docs/configuration.md)."""

import os
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

from django.utils.csp import CSP

from queues.conf import Conf
from runnerq_site import environment, local
from runnerq_site.embedded.artifacts import default_cache

BASE_DIR = Path(__file__).resolve().parent.parent
env = environment.Environment(os.environ)

DEBUG = env.flag("DEBUG", default=True)
RUNNERQ_FOLDER = Path(env.text("RUNNERQ_FOLDER") or BASE_DIR / ".runnerq")
RUNNERQ_CACHE = Path(env.text("RUNNERQ_CACHE") or default_cache())
LOG_LEVEL = env.text("LOG_LEVEL", "INFO").upper()
LOG_FORMAT = env.text("LOG_FORMAT", "text")

# Addresses: the environment; else, with DEBUG, the servers running in this folder; else the usual local ones.
_USUAL = {
    "KAFKA_BROKERS": "127.0.0.1:9092",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "DATABASE_URL": "postgresql://postgres@127.0.0.1:5432/runnerq",
}
_running = local.services_environment(RUNNERQ_FOLDER) if DEBUG else {}
_address = {
    name: env.text(name) or _running.get(name, usual) if DEBUG else env.required(name)
    for name, usual in _USUAL.items()
}
UNCONFIGURED = [name for name in _USUAL if DEBUG and not env.text(name) and name not in _running]

if DEBUG:
    SECRET_KEY = env.text("SECRET_KEY") or local.secret_key(RUNNERQ_FOLDER)
    ALLOWED_HOSTS = env.listed("ALLOWED_HOSTS") or [".localhost", "127.0.0.1", "[::1]"]
else:
    SECRET_KEY = env.required("SECRET_KEY")
    ALLOWED_HOSTS = [host for host in env.required("ALLOWED_HOSTS").split(",") if host]
env.refuse_missing()

RUNNERQ = {
    "KAFKA": {"bootstrap.servers": _address["KAFKA_BROKERS"], **env.kafka()},
    "REDIS_URL": _address["REDIS_URL"],
}
_given = env.typed(Conf, "RUNNERQ_")
RUNNERQ["KAFKA"] |= _given.pop("KAFKA", {})
RUNNERQ |= _given

INSTALLED_APPS = [
    # Daphne takes runserver over, so it comes before staticfiles; it never serves production (docs/adr).
    *(["daphne"] if DEBUG and find_spec("daphne") else []),
    "channels",
    "django_htmx",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "queues",
    "runnerq_site",
    "runnerq_site.demo",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"

ROOT_URLCONF = "runnerq_site.urls"
ASGI_APPLICATION = "runnerq_site.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {
    "default": environment.database(_address["DATABASE_URL"])
    | {"CONN_MAX_AGE": env.whole("DATABASE_CONN_MAX_AGE", 60), "CONN_HEALTH_CHECKS": True}
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        # Without the explicit None an idle subscription dies after five seconds.
        "CONFIG": {
            "hosts": [{"address": RUNNERQ["REDIS_URL"], "socket_timeout": None}],
            "prefix": "runnerq-live",
        },
    }
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = env.text("STATIC_ROOT") or BASE_DIR / "staticfiles"
# WhiteNoise reads files synchronously, which under ASGI costs a thread for the length of one small file.
warnings.filterwarnings("ignore", "StreamingHttpResponse must consume synchronous iterators")
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
    "base-uri": [CSP.NONE],
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = env.listed("CSRF_TRUSTED_ORIGINS")

# HTTPS=0 is for a first try of the container images on localhost, where no proxy ends TLS.
HTTPS = env.flag("HTTPS", default=not DEBUG)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.whole("SECURE_HSTS_SECONDS", 31_536_000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = env.flag("SECURE_HSTS_WHOLE_DOMAIN", default=False)
# Whether a whole domain and all below it speak TLS only is its owner's promise to make, not one console's.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
if env.flag("TRUST_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "runnerq_site.logformat.TextFormatter"},
        "json": {"()": "runnerq_site.logformat.JsonFormatter"},
    },
    "handlers": {
        # Standard output belongs to what a command prints.
        "stderr": {"class": "logging.StreamHandler", "stream": sys.stderr, "formatter": LOG_FORMAT}
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "queues": {"level": LOG_LEVEL},
        "runnerq_site": {"level": LOG_LEVEL},
        "django": {"level": "INFO", "handlers": [], "propagate": True},
        "django.server": {"level": "INFO", "handlers": [], "propagate": True},
    },
}
