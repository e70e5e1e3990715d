-- name: insert_customer
insert into customers (
    id, merchant_id, name, email, phone, upi_type, vpa_masked, livemode, created_at
) values (
    %(id)s, %(merchant_id)s, %(customer_name)s, %(email)s, %(phone)s, %(upi_type)s, %(vpa_masked)s,
    %(livemode)s, %(created_at)s
);

-- name: customer
select id, merchant_id, name, email, phone, upi_type, vpa_masked, livemode, created_at
from customers
where id = %(id)s and merchant_id = %(merchant_id)s;
