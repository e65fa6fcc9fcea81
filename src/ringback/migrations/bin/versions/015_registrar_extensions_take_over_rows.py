"""What another service left in tables of ours."""

from ringback.migrations.ddl import require_own
from ringback.migrations.takeover import take_over

revision = "registrar_extensions_take_over_rows"
down_revision = "registrar_customers_add_columns_limits"
branch_labels = None
depends_on = None


def upgrade() -> None:
    take_over()


def downgrade() -> None:
    require_own()
