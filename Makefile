.PHONY: run test lint dev up down bench

run: ; uv run manage.py demo
test: ; uv run pytest
lint: ; uv run pre-commit run --all-files
dev: ; uv run manage.py runserver
up: ; docker compose up --build --detach --wait
down: ; docker compose down
bench: ; uv run --group bench manage.py bench
